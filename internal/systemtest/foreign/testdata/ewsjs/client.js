// Finds, binds and listens with ews-javascript-api and prints for each operation
// "ok NAME" or "FAILED NAME WHY"; "listening" asks for a change by somebody else.
// usage: node client.js URL USER PASSWORD MAILBOX BEGIN
'use strict';
const ews = require('ews-javascript-api');

const [url, user, password, mailbox, begin] = process.argv.slice(2);
const s = new ews.ExchangeService(ews.ExchangeVersion.Exchange2013_SP1);
s.Credentials = new ews.WebCredentials(user, password);
s.Url = new ews.Uri(url);
s.ImpersonatedUserId = new ews.ImpersonatedUserId(ews.ConnectingIdType.SmtpAddress, mailbox);

let failed = false;
async function operation(name, run) {
  try {
    const result = await run();
    console.log('ok', name);
    return result;
  } catch (e) {
    failed = true;
    console.log('FAILED', name, String((e && e.message) || e).replace(/\s+/g, ' '));
    return undefined;
  }
}

function same(got, want) {
  if (got !== want) throw new Error(`${JSON.stringify(got)} is not ${JSON.stringify(want)}`);
}

async function main() {
  const found = await operation('find', async () => {
    const day = new Date(begin);
    const until = new Date(day.getTime() + 86400000);
    const view = new ews.CalendarView(ews.DateTime.Parse(day.toISOString()), ews.DateTime.Parse(until.toISOString()));
    const items = (await s.FindAppointments(ews.WellKnownFolderName.Calendar, view)).Items;
    same(items.length, 1);
    return items[0];
  });
  await operation('bind', async () => {
    const a = await ews.Appointment.Bind(s, found.Id);
    same(a.Subject, 'There before');
    same(a.Location, 'Room 7');
    same(new Date(a.Start.TotalMilliSeconds).toISOString(), new Date(begin).toISOString());
  });
  const subscription = await operation('subscribe', () => s.SubscribeToStreamingNotifications(
    [new ews.FolderId(ews.WellKnownFolderName.Calendar)], ews.EventType.Created, ews.EventType.Modified, ews.EventType.Deleted));
  const news = await operation('stream', () => new Promise((resolve, reject) => {
    const c = new ews.StreamingSubscriptionConnection(s, 1);
    c.AddSubscription(subscription);
    c.OnNotificationEvent.push((_, args) => {
      const e = args.Events.find((e) => e.EventType === ews.EventType.Created && e.ItemId);
      if (e) resolve(e.ItemId);
    });
    c.OnSubscriptionError.push((_, args) => reject(args.Exception || new Error('subscription error')));
    c.OnDisconnect.push((_, args) => reject(args.Exception || new Error('the stream ended without the event')));
    c.Open();
    console.log('listening');
  }));
  await operation('bind_news', async () => same((await ews.Appointment.Bind(s, news)).Subject, 'Made meanwhile'));
  await operation('unsubscribe', () => subscription.Unsubscribe());
  process.exit(failed ? 1 : 0);
}

main();
