package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// split reads a stream to its end.
func split(r io.Reader, max int) (docs []string, err error) {
	s := NewSplitter(r, max)
	for {
		doc, err := s.Next()
		if err != nil {
			return docs, err
		}
		docs = append(docs, string(doc))
	}
}

func TestSplitter(t *testing.T) {
	t.Parallel()
	docs := []string{
		`<Envelope xmlns="urn:s"><a b="/>"/><c>x</c></Envelope>`,
		`<s:Envelope xmlns:s='urn:s'><!-- </s:Envelope> --><![CDATA[</s:Envelope>]]]></s:Envelope>`,
		`<?xml version="1.0"?><!-- > --><a/>`,
		`<a t='"'><a></a></a>`,
		`<a b = "1"/>`,
		`<a><?p > ?></a>`,
	}
	for name, sep := range map[string]string{"nothing": "", "lines": "\r\n", "order marks": "\uFEFF", "null bytes": "\x00\x00"} {
		for way, reader := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
			"halves": iotest.HalfReader, "error with data": iotest.DataErrReader,
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				in := sep + strings.Join(docs, sep) + sep
				got, err := split(reader(strings.NewReader(in)), 0)
				if err != io.EOF {
					t.Errorf("ended with %v", err)
				}
				if !slices.Equal(got, docs) {
					t.Errorf("got %q", got)
				}
			})
		}
	}
}

func TestSplitterErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for name, tc := range map[string]struct {
		in   io.Reader
		max  int
		docs int
		want error
	}{
		"cut":               {strings.NewReader("<a/><a><b>"), 0, 1, ErrTruncated},
		"cut in a tag":      {strings.NewReader("<a/><"), 0, 1, ErrTruncated},
		"cut after prolog":  {strings.NewReader("<?xml?>"), 0, 0, ErrTruncated},
		"reset inside":      {io.MultiReader(strings.NewReader("<a>"), iotest.ErrReader(broken)), 0, 0, ErrTruncated},
		"reset between":     {io.MultiReader(strings.NewReader("<a/>"), iotest.ErrReader(broken)), 0, 1, broken},
		"too large":         {strings.NewReader("<a/><a>" + strings.Repeat("x", 100) + "</a>"), 50, 1, ErrTooLarge},
		"endless":           {io.MultiReader(strings.NewReader("<a>"), endless{'x'}), 1 << 16, 0, ErrTooLarge},
		"html text":         {strings.NewReader("Bad Gateway"), 0, 0, ErrMalformed},
		"doctype":           {strings.NewReader("<!DOCTYPE html><html></html>"), 0, 0, ErrMalformed},
		"mixed declaration": {strings.NewReader("<!-C"), 0, 0, ErrMalformed},
		"end tag":           {strings.NewReader("</a>"), 0, 0, ErrMalformed},
		"no name":           {strings.NewReader("<>"), 0, 0, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, err := split(tc.in, tc.max)
			if !errors.Is(err, tc.want) || len(docs) != tc.docs {
				t.Errorf("got %d documents, %v; want %d, %v", len(docs), err, tc.docs, tc.want)
			}
		})
	}
}

type endless struct{ b byte }

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b
	}
	return len(p), nil
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte(`<a/><b c="d>"><!-- --><![CDATA[]]]]></b>`), uint8(3))
	f.Add([]byte("\uFEFF<?xml?>\n<a></a> <!-"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, chunk uint8) {
		whole, err1 := split(bytes.NewReader(data), 1<<16)
		cut, err2 := split(&chunked{data, int(chunk)%7 + 1}, 1<<16)
		if !slices.Equal(whole, cut) {
			t.Errorf("chunks change the documents: %q, %q", whole, cut)
		}
		if (err1 == io.EOF) != (err2 == io.EOF) {
			t.Errorf("chunks change the end: %v, %v", err1, err2)
		}
		for _, doc := range whole {
			if _, err := Parse([]byte(doc), Limits{}); errors.Is(err, ErrTruncated) {
				t.Errorf("cut too early: %q", doc)
			}
		}
	})
}

type chunked struct {
	data []byte
	n    int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[:min(c.n, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}
