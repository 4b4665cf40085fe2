// Names and colours of the services that meetings are held on. The names are
// those of Go's package detect; one that is not here still gets its button.

import type { JoinMethod, Meeting } from "../calendar/meeting";

const names: Record<string, string> = {
  zoom: "Zoom",
  teams: "Microsoft Teams",
  meet: "Google Meet",
  webex: "Webex",
  gotomeeting: "GoTo Meeting",
  ringcentral: "RingCentral",
  jitsi: "Jitsi Meet",
  bigbluebutton: "BigBlueButton",
  nextcloudtalk: "Nextcloud Talk",
  element: "Element Call",
  livekit: "LiveKit",
  lasuite: "La Suite Meet",
  skype4b: "Skype for Business",
  pexip: "Pexip",
  cms: "Meeting Server",
  chime: "Chime",
  whereby: "Whereby",
  tencent: "Tencent Meeting",
  lark: "Lark",
  dingtalk: "DingTalk",
  slack: "Slack",
  discord: "Discord",
  facetime: "FaceTime",
  "8x8": "8x8",
  sip: "SIP",
  h323: "H.323",
};

const tinted = ["zoom", "teams", "meet", "webex", "jitsi", "bigbluebutton", "sip", "phone", "template"];

// service is the name to show for a way to join, or the host for one without.
export function service(m: JoinMethod): string {
  if (names[m.kind]) return names[m.kind]!;
  return m.url ? new URL(m.url).hostname.replace(/^www\./, "") : "";
}

// primary is the way that the one button takes: the best with an address that
// a browser opens.
export function primary(m: Meeting): JoinMethod | undefined {
  return m.join.find((j) => j.url !== "");
}

// place is where people meet: the location without the keyword that asked for
// the meeting service, and without addresses, which the buttons carry.
export function place(m: Meeting): string {
  const words = m.location.replace(/[@＠]\p{L}+(:\p{L}+)?/gu, " ").replace(/\b(https?|sips?):\S+/gi, " ");
  return words.replace(/^[\s;,/]+|[\s;,/]+$/g, "");
}

// tint is the class that colours a meeting by its service.
export function tint(m: Meeting): string {
  const kind = (primary(m) ?? m.join[0])?.kind;
  if (kind === undefined) return "tint-none";
  return tinted.includes(kind) ? "tint-" + kind : "tint-other";
}
