package wire

import "strings"

// Fault is a SOAP fault as Exchange sends it. Everything but Code and String
// may be empty: some servers send no detail at all.
type Fault struct {
	Code         string            // local part of faultcode, e.g. "ErrorServerBusy", "Client", "Server"
	ResponseCode string            // of the detail, e.g. "ErrorServerBusy"
	String       string            // faultstring
	Message      string            // of the detail
	Values       map[string]string // of the detail's MessageXml, e.g. BackOffMilliseconds
}

// ParseFault returns the fault in an envelope, of either SOAP version, or nil
// where there is none.
func ParseFault(envelope *Element) *Fault {
	e := envelope.Body()
	if e == nil || e.Name != "Fault" {
		return nil
	}
	if e.Child("faultcode") == nil && e.Child("Code") != nil {
		return parseFault12(e)
	}
	f := &Fault{Code: localPart(e.Value("faultcode")), String: strings.TrimSpace(e.Value("faultstring"))}
	f.detail(e.Child("detail"))
	return f
}

// parseFault12 reads the shape of SOAP 1.2.
func parseFault12(e *Element) *Fault {
	f := &Fault{Code: localPart(e.Value("Code", "Subcode", "Value")), String: strings.TrimSpace(e.Value("Reason", "Text"))}
	if f.Code == "" {
		f.Code = localPart(e.Value("Code", "Value"))
	}
	f.detail(e.Child("Detail"))
	return f
}

func (f *Fault) detail(d *Element) {
	f.ResponseCode = strings.TrimSpace(d.Value("ResponseCode"))
	f.Message = strings.TrimSpace(d.Value("Message"))
	f.Values = MessageValues(d)
}

// localPart drops the prefix and the white space around a code.
func localPart(code string) string {
	code = strings.TrimSpace(code)
	if i := strings.LastIndexByte(code, ':'); i >= 0 {
		code = code[i+1:]
	}
	return strings.TrimSpace(code)
}

// MessageValues returns what the MessageXml inside e holds: the t:Value
// elements by their Name attribute, any other element by its own name. It is
// nil where there is no MessageXml. The element comes in the types namespace
// inside faults and in the messages namespace inside response messages.
func MessageValues(e *Element) map[string]string {
	x := e.Child("MessageXml")
	if x == nil {
		return nil
	}
	values := make(map[string]string, len(x.Children))
	for _, c := range x.Children {
		name := c.Name
		if name == "Value" {
			name = c.Attr("Name")
		}
		values[name] = strings.TrimSpace(c.Text)
	}
	return values
}

// Write writes the fault as Exchange does, as the child of a SOAP 1.1 body
// whose prefix is given; MessageXml values come in the order of the names,
// those of ErrorSchemaValidation as elements of their own.
// A fault without ResponseCode is written without detail.
func (f *Fault) Write(w *Writer, prefix string, order ...string) {
	w.Start(prefix + ":Fault")
	code := f.Code
	if strings.HasPrefix(code, "Error") {
		w.Leaf("faultcode", "a:"+code, "xmlns:a", NSTypes)
	} else {
		w.Leaf("faultcode", prefix+":"+code)
	}
	w.Leaf("faultstring", f.String, "xml:lang", "en-US")
	if f.ResponseCode != "" {
		w.Start("detail")
		w.Leaf("e:ResponseCode", f.ResponseCode, "xmlns:e", NSErrors)
		w.Leaf("e:Message", f.Message, "xmlns:e", NSErrors)
		if len(order) > 0 {
			w.Start("t:MessageXml", "xmlns:t", NSTypes)
			for _, name := range order {
				switch name {
				case "LineNumber", "LinePosition", "Violation":
					w.Leaf("t:"+name, f.Values[name])
				default:
					w.Leaf("t:Value", f.Values[name], "Name", name)
				}
			}
			w.End()
		}
		w.End()
	}
	w.End()
}
