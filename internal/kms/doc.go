// Package kms is the key server and its client. It holds keys and who may have
// them, and never sees a calendar.
//
// # Who is who
//
// Every client, a browser as well as a connector, makes an ES256 key pair of
// its own and redeems a one-time code with it. A code is made by an
// administrator ([Enrol]), stands for one user or for one connector by name,
// carries 128 random bits, lives 30 minutes and survives 5 wrong tries. What
// comes back is an instance id; from then on each request is signed by the
// instance's key. The server keeps public keys only.
//
// A connector makes resources ([Client.Ensure]): one for each calendar it
// serves, with its owner. That relation exists here and nowhere else, and
// nobody but a connector writes it. A user's instance gets the keys of the
// resources that this user owns.
//
// # Wire form
//
// Requests and answers are JSON; binary values are base64url without padding.
// The kid of a key is kms:AUTHORITY/UUID. AUTHORITY is the server's own random
// name, 16 bytes in base64url; no host name or domain stands in it.
//
//	GET  /kms/v1/descriptor                    -> {authority, org}
//	POST /kms/v1/enrol {code, jwk:{kty,crv,x,y}} -> {instance, authority, org, role:"user"|"connector", user | connector}
//	POST /kms/v1/ensureResource {owner}        -> {resource, org, ik, keys:{h:{kid,k}, b:{kid,k}}}      connectors
//	POST /kms/v1/myResources {}                -> {resources:[{resource, org, keys:{h:{kid,k}, b:{kid,k}}}]}   users
//	POST /kms/v1/getKeys {kids:[…]}            -> {keys:[{kid, resource, part, k}]}
//	GET  /healthz                              -> {ok:true}
//
// getKeys takes up to 50 kids and leaves out those that do not exist and those
// that are not the caller's, without saying which is which.
//
// Every request but descriptor, enrol and healthz carries
//
//	Authorization: KMS-JWS COMPACT
//
// COMPACT is a JWS (ES256, RFC 7515) by the instance's key with the protected
// header {"alg":"ES256","kid":INSTANCE,"typ":"koyomi-kms+jws"} and the payload
//
//	{"aud":AUTHORITY, "op":"getKeys", "bh":base64url(sha256(body)), "iat":UNIX SECONDS, "jti":base64url(16 random bytes)}
//
// The server takes iat from 300 seconds ago to 60 seconds ahead and each jti
// of an instance once; a captured request that is sent again gets nothing.
//
// An error is {"error":{"code","message"}}; the codes are the constants of
// this package. The error "clock" (status 425) carries the server's time in
// "now" (Unix seconds), by which a client with a wrong clock corrects itself
// and asks once more. An unknown instance, a bad signature and a foreign
// authority give the same answer. So do a code that never was, that is spent,
// that is too old, or that had its five tries. A code redeemed again by the
// same key within its 30 minutes gives the same instance: an answer may be lost.
//
// Browsers are let in by CORS from the origins in [Options], and only from
// these. Answers are never cached.
//
// # At rest
//
// Keys lie in the database wrapped by AES-256-GCM under the master key, with
// kid|resource as additional data, so that a row moved to another resource
// does not open. The master key is a file of mode 0600 outside the database
// ([LoadMaster]); the database knows a check value of it and refuses another.
package kms
