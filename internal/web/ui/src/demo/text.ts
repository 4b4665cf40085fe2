// Bodies for reading: the text of an HTML body, and where the join block is.

// textOf makes readable text of a stored body. The result is only ever shown
// as text, so this needs to be good, not safe.
export function textOf(body: string, type: "text" | "html"): string {
  if (type === "text") return body.replace(/\r\n?/g, "\n").trim();
  const inner = /<body[^>]*>([\s\S]*?)(<\/body>|$)/i.exec(body)?.[1] ?? body;
  return inner
    .replace(/<!--[\s\S]*?-->|<(style|script|head)[\s\S]*?<\/\1>/gi, "")
    .replace(/\s+/g, " ")
    .replace(/<br\s*\/?>|<\/(p|div|tr|li|h\d|table)>/gi, "\n")
    .replace(/<[^>]*>/g, "")
    .replace(/&(nbsp|amp|lt|gt|quot|apos|#\d+|#x[0-9a-f]+);/gi, (all, name: string) => entity(name) ?? all)
    .replace(/[ \t]*\n[ \t]*/g, "\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

const named: Record<string, string> = { nbsp: " ", amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function entity(name: string): string | undefined {
  const n = name.toLowerCase();
  if (!n.startsWith("#")) return named[n];
  const code = n.startsWith("#x") ? parseInt(n.slice(2), 16) : Number(n.slice(1));
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "�";
}

// split parts a text into what people wrote and the join block behind it. The
// block's first line stands above the one with the link.
export function split(text: string, joinUrl: string): { own: string; added: string } {
  const lines = text.split("\n");
  const link = joinUrl === "" ? -1 : lines.findLastIndex((l) => l.includes(joinUrl));
  if (link < 0) return { own: text, added: "" };
  const first = Math.max(0, link - 1);
  return { own: lines.slice(0, first).join("\n").trim(), added: lines.slice(first).join("\n").trim() };
}

export const zoomInvitation = `Hanako Tanaka is inviting you to a scheduled Zoom meeting.

Join Zoom Meeting
https://example.zoom.us/j/86712345678?pwd=Rm9yVGhlRGVtb09ubHk.1

Meeting ID: 867 1234 5678
Passcode: 314159

---
One tap mobile
+81345790432,,86712345678#,,,,*314159# Japan

Join by SIP
86712345678@zoomcrc.com
`;
