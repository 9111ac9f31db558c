"use strict";
// Follows work that goes on elsewhere. Without it the page reloads itself every few seconds.

const box = document.querySelector("[data-progress-url]");
const numbers = new Intl.NumberFormat("en-GB");

async function look() {
  let wait = 1000;
  try {
    const answer = await fetch(box.dataset.progressUrl, { headers: { Accept: "application/json" } });
    if (answer.redirected || answer.status === 403) return location.reload(); // signed out
    if (!answer.ok) throw new Error(String(answer.status));
    const now = await answer.json();
    if (now.status !== "queued" && now.status !== "running") return location.reload();
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
  }
  box.querySelector("h2").textContent =
    now.status === "queued" ? "Waits for the worker" : "Checking line by line";
  const of = now.total ? ` of ${numbers.format(now.total)}` : "";
  say(`${numbers.format(now.done)}${of} events`);
}

function say(words) {
  const place = box.querySelector("[data-progress-words]");
  if (place.textContent !== words) place.textContent = words;
}

if (box) setTimeout(look, 1000);
