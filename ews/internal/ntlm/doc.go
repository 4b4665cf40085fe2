// Package ntlm makes and reads the three messages of NTLM ([MS-NLMP]), for the
// client that signs in and for the server that lets it in.
//
// Only NTLMv2 is spoken: what NTLMv1 sends can be turned into the password
// within hours. A sign-in goes
//
//	client                       server
//	NewNegotiate  ──NEGOTIATE──>
//	              <──CHALLENGE── NewChallenge
//	Client.Answer ─AUTHENTICATE─> ParseAuthenticate, Authenticate.Verify
//
// all on one connection, which is signed in from then on.
//
// What keeps somebody in between from passing the messages on to another server
// are three things in the answer, which the client's key covers: the name of
// the service that it meant (MsvAvTargetName), the certificate that it saw
// (MsvAvChannelBindings, [Binding]), and a MIC over all three messages, which
// also keeps the flags from being weakened. A server that tells the time in its
// challenge gets the MIC.
//
// The package does no input or output. It reads what strangers send: every
// length is checked, and a fuzz target holds it to that.
package ntlm
