// Server-sent events read from a fetch: EventSource cannot send an
// Authorization header, and a credential does not belong into an address.

export interface Event {
  name: string;
  data: string;
  id: string | undefined; // undefined: the stream named none with this event
}

const longest = 64 << 10; // characters of one event; ours are under 200

// parse turns pieces of a stream into events by the rules of the HTML standard
// (9.2.6), without the parts nobody here uses (retry).
export class Parser {
  private rest = "";
  private name = "";
  private data: string[] = [];
  private id: string | undefined;
  private cr = false;

  push(piece: string): Event[] {
    // A line may end in CR LF, and the two may come in different pieces.
    if (this.cr && piece.startsWith("\n")) piece = piece.slice(1);
    this.cr = piece.endsWith("\r");
    const lines = (this.rest + piece).split(/\r\n|\r|\n/);
    this.rest = lines.pop()!;
    if (this.rest.length > longest) throw new Error("event is too long");
    const out: Event[] = [];
    for (const line of lines) {
      const ev = this.line(line);
      if (ev) out.push(ev);
    }
    return out;
  }

  private line(line: string): Event | undefined {
    if (line === "") {
      const ev = this.data.length ? { name: this.name || "message", data: this.data.join("\n"), id: this.id } : undefined;
      this.name = "";
      this.data = [];
      this.id = undefined;
      return ev;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return undefined; // comment: a heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.name = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
    return undefined;
  }
}

// read hands each event of a stream to a function, and every sign of life
// (heartbeats too) to another, until the stream ends.
export async function read(stream: ReadableStream<Uint8Array>, alive: () => void, each: (ev: Event) => void): Promise<void> {
  const reader = stream.getReader();
  const text = new TextDecoder();
  const parser = new Parser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      for (const ev of parser.push(text.decode(value, { stream: true }))) each(ev);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
