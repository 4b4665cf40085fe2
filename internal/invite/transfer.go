package invite

import (
	"bytes"
	"encoding/base64"
)

// fromBase64 decodes base64 and reports whether it was sound. Bytes that do
// not belong are passed over, and so is the remainder of a text cut off.
func fromBase64(data []byte) (out []byte, sound bool) {
	sound = true
	kept := make([]byte, 0, len(data))
	flush := func() {
		if len(kept)%4 == 1 {
			kept, sound = kept[:len(kept)-1], false
		}
		n := len(out)
		out = append(out, make([]byte, base64.RawStdEncoding.DecodedLen(len(kept)))...)
		// The alphabet has been checked and the length fits: only bits left
		// over can be wrong, and they are let be.
		k, err := base64.RawStdEncoding.Decode(out[n:], kept)
		sound = sound && err == nil
		out, kept = out[:n+k], kept[:0]
	}
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			kept = append(kept, c)
		case c == '=':
			flush() // the end, or of one of several texts behind each other
		case c == ' ', c == '\t', c == '\r', c == '\n':
		default:
			sound = false
		}
	}
	flush()
	return out, sound
}

// fromQuotedPrintable decodes quoted-printable and reports whether it was
// sound. An "=" that begins no escape stays.
func fromQuotedPrintable(data []byte) (out []byte, sound bool) {
	sound = true
	out = make([]byte, 0, len(data))
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		line, end := data, false
		if i >= 0 {
			line, end = data[:i], true
			data = data[i+1:]
		} else {
			data = nil
		}
		line = bytes.TrimRight(line, " \t\r")
		soft := bytes.HasSuffix(line, []byte("="))
		if soft {
			line = line[:len(line)-1]
		}
		for k := 0; k < len(line); k++ {
			if line[k] != '=' {
				out = append(out, line[k])
				continue
			}
			if k+2 < len(line) && unhex(line[k+1]) >= 0 && unhex(line[k+2]) >= 0 {
				out = append(out, byte(unhex(line[k+1])<<4|unhex(line[k+2])))
				k += 2
				continue
			}
			out, sound = append(out, '='), false
		}
		if end && !soft {
			out = append(out, '\n')
		}
	}
	return out, sound
}
