package wire

import "iter"

// Attr is an attribute of an element. Namespace declarations are not
// attributes.
type Attr struct{ Space, Name, Value string }

// Element is a parsed element. Text is the character data directly inside it,
// joined; it is empty where an element with children holds only white space.
type Element struct {
	Space, Name string
	Attrs       []Attr
	Text        string
	Children    []*Element
	Decoded     any // what a [Decoder] made of it
}

// Child returns the first child with that local name, in any namespace, or
// nil. It may be called on nil.
func (e *Element) Child(name string) *Element {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Find follows a path of local names from e, or returns nil.
func (e *Element) Find(path ...string) *Element {
	for _, name := range path {
		e = e.Child(name)
	}
	return e
}

// All ranges over the children with that local name.
func (e *Element) All(name string) iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		if e == nil {
			return
		}
		for _, c := range e.Children {
			if c.Name == name && !yield(c) {
				return
			}
		}
	}
}

// Value returns the text of the element at the path, or "" where there is
// none.
func (e *Element) Value(path ...string) string {
	if e = e.Find(path...); e == nil {
		return ""
	}
	return e.Text
}

// Attr returns the value of the attribute with that local name, or "".
func (e *Element) Attr(name string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// Is reports whether e is the element with that namespace and local name.
func (e *Element) Is(space, name string) bool {
	return e != nil && e.Name == name && e.Space == space
}

// Body returns the first element inside the SOAP body of an envelope, of
// either SOAP version, or nil.
func (e *Element) Body() *Element {
	if e == nil || e.Name != "Envelope" {
		return nil
	}
	if b := e.Child("Body"); b != nil && len(b.Children) > 0 {
		return b.Children[0]
	}
	return nil
}

// Elements returns the children. It may be called on nil.
func (e *Element) Elements() []*Element {
	if e == nil {
		return nil
	}
	return e.Children
}
