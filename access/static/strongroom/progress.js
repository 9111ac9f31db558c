"use strict";
// Follows work that goes on elsewhere. Without it the page reloads itself every few seconds.

const box = document.querySelector("[data-progress-url]");
const numbers = new Intl.NumberFormat("en-GB");
const OPEN = ["queued", "running"];

async function look() {
  let wait = 2000;
  try {
    const answer = await fetch(box.dataset.progressUrl, { headers: { Accept: "application/json" } });
    if (answer.redirected || answer.status === 403) return location.reload(); // signed out
    if (!answer.ok) throw new Error(String(answer.status));
    const now = await answer.json();
    if (!OPEN.includes(now.status)) return location.reload();
    show(now);
  } catch {
    say("The server does not answer. Trying again.");
    wait = 5000;
  }
  setTimeout(look, wait);
}

function show(now) {
  const bar = box.querySelector("progress");
  if (now.total) {
    bar.max = now.total;
    bar.value = now.done;
  } else {
    bar.removeAttribute("value"); // how much there is to do is not known
  }
  const waits = now.status === "queued";
  const heading = now.heading ?? (waits ? "Waits for the worker" : "Checking line by line");
  const title = box.querySelector("h2");
  if (title.textContent !== heading) title.textContent = heading;
  const of = now.total ? ` of ${numbers.format(now.total)}` : "";
  say(now.words ?? `${numbers.format(now.done)}${of} events`);
}

function say(words) {
  const place = box.querySelector("[data-progress-words]");
  if (place.textContent !== words) place.textContent = words;
}

if (box) setTimeout(look, 1000);
