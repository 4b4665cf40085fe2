// Runs in a worker: a beat a second that browsers do not slow down.
setInterval(() => postMessage(0), 1000);
