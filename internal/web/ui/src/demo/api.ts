// The interface of the demo's server: a small calendar client for the
// simulated Exchange. The server turns each call into Exchange Web Services
// requests as the person the demo is about, so a meeting made here is made as
// any calendar program would make it.
//
// All answers are JSON; an error is {"error":{"code","message"}}, the message
// being a sentence for people. Times are RFC 3339 in UTC.
//
//   GET    /api/state                              -> State
//   GET    /api/events?day=YYYY-MM-DD&days=N       -> {events: CalendarEvent[]}   up to 14 hours more on both sides
//   POST   /api/events       Draft                 -> CalendarEvent
//   PATCH  /api/events/{id}  Partial<Draft>        -> CalendarEvent
//   DELETE /api/events/{id}                        -> {}
//   GET    /api/inbox?user=ADDRESS                 -> {messages: Message[]}       newest first
//   GET    /api/cloud                              -> CloudState

export interface User {
  name: string;
  address: string;
}

export interface State {
  me: User;
  users: User[];
  appLink: string; // a fresh sign-in link to the people's app each time it is asked for
  service: string; // what @meet stands for
}

export interface CalendarEvent {
  id: string;
  changeKey: string;
  uid: string;
  subject: string;
  start: string;
  end: string;
  allDay: boolean;
  location: string;
  body: string; // as stored in Exchange
  bodyType: "text" | "html";
  organizer: User;
  attendees: (User & { response: string })[];
  joined: boolean; // the join block stands in the body
  joinUrl: string;
  mine: boolean; // organised by State.me
}

export interface Draft {
  subject: string;
  start: string;
  end: string;
  location: string;
  body: string;
  attendees: string[]; // addresses
}

export interface Message {
  id: string;
  subject: string;
  from: User;
  received: string;
  kind: "request" | "update" | "cancellation" | "response";
}

// CloudState is what the cloud holds, as it lies there.
export interface CloudState {
  cursor: number; // grows with every write
  items: number;
  last: { jwe: string; bytes: number; at: string }; // the newest entry; jwe is its beginning
}

// Failure carries the server's sentence.
export class Failure extends Error {}

export class API {
  constructor(private readonly fetch: (url: string, init?: RequestInit) => Promise<Response>) {}

  state(): Promise<State> {
    return this.call("GET", "/api/state");
  }

  async events(day: string, days: number): Promise<CalendarEvent[]> {
    const { events } = await this.call<{ events: CalendarEvent[] | null }>("GET", `/api/events?day=${day}&days=${days}`);
    return events ?? [];
  }

  create(d: Draft): Promise<CalendarEvent> {
    return this.call("POST", "/api/events", d);
  }

  update(id: string, d: Partial<Draft>): Promise<CalendarEvent> {
    return this.call("PATCH", "/api/events/" + encodeURIComponent(id), d);
  }

  remove(id: string): Promise<object> {
    return this.call("DELETE", "/api/events/" + encodeURIComponent(id));
  }

  async inbox(address: string): Promise<Message[]> {
    const { messages } = await this.call<{ messages: Message[] | null }>("GET", "/api/inbox?user=" + encodeURIComponent(address));
    return messages ?? [];
  }

  cloud(): Promise<CloudState> {
    return this.call("GET", "/api/cloud");
  }

  private async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    let res: Response;
    try {
      res = await this.fetch(path, {
        method,
        cache: "no-store",
        ...(body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
      });
    } catch {
      throw new Failure("");
    }
    const v = await res.json().catch(() => ({}));
    if (!res.ok) throw new Failure(String(v?.error?.message ?? ""));
    return v as T;
  }
}
