// Package wire is the XML layer that the Exchange client and the Exchange
// simulator share: a bounded parser, a splitter for endless streams, a writer
// and the shape of SOAP faults.
//
// It does not use encoding/xml for reading, because real servers send what
// that package refuses: references to characters that XML 1.0 forbids
// (&#x0;, &#x1F;), raw control bytes, halves of an emoji where a subject was
// cut, byte order marks, several documents on one connection. [Parse] repairs
// these and is strict about everything else: a document that ends early is
// [ErrTruncated], a DOCTYPE is refused, and bytes, depth and number of
// elements are bounded.
//
// Elements are found by local name. Prefixes and namespaces are resolved and
// kept, but servers disagree about both (MessageXml comes in two namespaces,
// SubscriptionId in ErrorSubscriptionIds in none), so readers that want to
// live with all of them match local names only.
//
// The strings of a parsed tree share the memory of the document. Who keeps a
// small string for long clones it.
package wire

// The namespaces of Exchange Web Services ([MS-OXWSCORE] 2.2.1).
const (
	NSSoap         = "http://schemas.xmlsoap.org/soap/envelope/"
	NSSoap12       = "http://www.w3.org/2003/05/soap-envelope"
	NSMessages     = "http://schemas.microsoft.com/exchange/services/2006/messages"
	NSTypes        = "http://schemas.microsoft.com/exchange/services/2006/types"
	NSErrors       = "http://schemas.microsoft.com/exchange/services/2006/errors"
	NSAutodiscover = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
	NSAddressing   = "http://www.w3.org/2005/08/addressing"
	NSXSI          = "http://www.w3.org/2001/XMLSchema-instance"
	NSXSD          = "http://www.w3.org/2001/XMLSchema"
	NSXML          = "http://www.w3.org/XML/1998/namespace"
)
