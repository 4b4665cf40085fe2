// Base64url without padding (RFC 4648 section 5), strict: a string has exactly
// one reading, so two different strings never open as the same message.

export type Bytes = Uint8Array<ArrayBuffer>;

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const values = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i;

export function encode(data: Uint8Array): string {
  let out = "";
  for (let i = 0; i < data.length; i += 3) {
    const left = data.length - i;
    const n = (data[i]! << 16) | ((data[i + 1] ?? 0) << 8) | (data[i + 2] ?? 0);
    out += alphabet[n >> 18]! + alphabet[(n >> 12) & 63]!;
    if (left > 1) out += alphabet[(n >> 6) & 63]!;
    if (left > 2) out += alphabet[n & 63]!;
  }
  return out;
}

// decode throws on any character outside the alphabet, on an impossible length
// and on bits left over.
export function decode(text: string): Bytes {
  const rest = text.length % 4;
  if (rest === 1) throw new Error("base64url: impossible length");
  const out = new Uint8Array((text.length * 3) >> 2);
  let acc = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const v = c < 128 ? values[c]! : -1;
    if (v < 0) throw new Error("base64url: foreign character");
    acc = ((acc << 6) | v) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = (acc >> bits) & 0xff;
    }
  }
  if (acc & ((1 << bits) - 1)) throw new Error("base64url: bits left over");
  return out;
}
