package ewstest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/koyomi-cal/koyomi/ews/internal/wire"
)

// faultDocument returns an envelope with a fault, and its HTTP status.
func (r *request) faultDocument(f *failure) (int, *wire.Writer) {
	w := &wire.Writer{}
	status := f.status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if !r.s.traits.faultsWith200 {
		w.Declaration()
		w.Start("s:Envelope", "xmlns:s", wire.NSSoap)
		w.Start("s:Body")
		out, order := f.wireFault()
		out.Write(w, "s", order...)
		return r.disguised(status, w)
	}
	code := f.code
	if code == "ErrorSchemaValidation" {
		code = "SOAP:Client"
	}
	if f.status == 0 {
		status = http.StatusOK
	}
	w.Declaration()
	w.Start("SOAP:Envelope", "xmlns:SOAP", wire.NSSoap)
	w.Start("SOAP:Body")
	w.Start("SOAP:Fault")
	w.Leaf("faultcode", code)
	w.Leaf("faultstring", f.text)
	return status, w
}

// versionInfo writes the ServerVersionInfo header.
func (r *request) versionInfo(name string) {
	back := r.server()
	b := back.traits.build
	attrs := []string{"MajorVersion", fmt.Sprint(b[0]), "MinorVersion", fmt.Sprint(b[1]), "MajorBuildNumber", fmt.Sprint(b[2]),
		"MinorBuildNumber", fmt.Sprint(b[3])}
	probe := r.call.Op == "ConvertId" && r.header.Child("ExchangeImpersonation") == nil
	if !probe || !back.traits.quietProbe {
		attrs = append(attrs, "Version", back.traits.schema)
	}
	r.w.Leaf(name, "", append(attrs, "xmlns:h", wire.NSTypes, "xmlns", wire.NSTypes)...)
}

// envelope begins the answer: everything up to the element that the operation
// writes. It is called when nothing can become a fault any more.
func (r *request) envelope() {
	p := r.s.traits.prefix
	r.w.Declaration()
	r.w.Start(p+":Envelope", "xmlns:"+p, wire.NSSoap)
	r.w.Start(p + ":Header")
	r.versionInfo("h:ServerVersionInfo")
	r.w.End()
	r.w.Start(p+":Body", "xmlns:xsi", wire.NSXSI, "xmlns:xsd", wire.NSXSD)
}

// begin begins the answer to an operation with response messages.
func (r *request) begin() {
	r.envelope()
	r.w.Start("m:"+r.call.Op+"Response", "xmlns:m", wire.NSMessages, "xmlns:t", wire.NSTypes)
	r.w.Start("m:ResponseMessages")
}

// message writes one response message: what payload writes, or the failure.
// An element named by empty follows a failure where the schema demands one.
func (r *request) message(err error, empty string, payload func()) {
	if planned := r.fault.failure(); planned != nil && err == nil && r.fault.InBody && r.fault.FailItem == 0 {
		err = planned
	}
	if err == nil {
		err = r.accessible()
	}
	name := "m:" + r.call.Op + "ResponseMessage"
	f := failureOf(err)
	if f == nil {
		r.w.Start(name, "ResponseClass", "Success")
		r.w.Leaf("m:ResponseCode", "NoError")
		payload()
		r.w.End()
		return
	}
	if f.fault && r.abort == nil {
		r.abort = f
	}
	if r.call.Code == "" {
		r.call.Code = f.code
		r.told(f)
	}
	r.w.Start(name, "ResponseClass", "Error")
	f.writeMessage(r.w)
	if empty != "" {
		r.w.Leaf(empty, "")
	}
	r.w.End()
}

// blocked returns the failure that a script, or a mailbox that cannot be opened
// now, has planned for every message of this call, so that the work can be left undone.
func (r *request) blocked() error {
	if f := r.fault.failure(); f != nil && r.fault.InBody && r.fault.FailItem == 0 && !r.fault.SavedNotMailed {
		return f
	}
	return r.accessible()
}

// spared returns what a script has planned for the i-th thing of a batch,
// counted from zero: the one it names fails, and those after it are not looked
// at.
func (r *request) spared(i int) error {
	f := &r.fault
	switch {
	case f.FailItem == 0 || i < f.FailItem-1 || f.failure() == nil:
		return nil
	case i == f.FailItem-1:
		return f.failure()
	}
	return fail("ErrorBatchProcessingStopped")
}

// stamp writes a moment as the answer shows it.
func (r *request) stamp(t time.Time) string {
	if r.s.traits.utcOnly {
		return t.UTC().Format("2006-01-02T15:04:05.999999999Z")
	}
	return t.In(r.zone).Format("2006-01-02T15:04:05Z07:00")
}
