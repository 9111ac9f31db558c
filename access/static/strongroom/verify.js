"use strict";
// Shows which files are chosen, takes what is dropped, and says at once what is too large.

const form = document.querySelector("form[data-verify]");
const input = form.querySelector("input[type=file]");
const area = form.querySelector("[data-drop]");
const problem = form.querySelector("[data-problem]");
const busy = form.querySelector("[data-busy]");
const sizes = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });

function inWords(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1024 * 1024) return `${sizes.format(bytes / 1024)} KiB`;
  return `${sizes.format(bytes / 1024 / 1024)} MiB`;
}

function complaint() {
  const files = [...input.files];
  if (!files.length) return "";
  const whole = files.reduce((sum, file) => sum + file.size, 0);
  const most = Number(form.dataset.maxBytes);
  if (whole > most) return `These files have ${inWords(whole)}; this page takes ${inWords(most)}.`;
  const endings = form.dataset.endings.split(" ");
  if (!files.some((file) => endings.some((end) => file.name.toLowerCase().endsWith(end)))) {
    return `There is no package among them yet: its name ends in ${endings.join(" or ")}.`;
  }
  return "";
}

function show() {
  const list = form.querySelector("[data-chosen]");
  list.replaceChildren(
    ...[...input.files].map((file) => {
      const line = document.createElement("li");
      const name = document.createElement("code");
      const size = document.createElement("span");
      name.textContent = file.name;
      size.className = "account";
      size.textContent = ` ${inWords(file.size)}`;
      line.append(name, size);
      return line;
    }),
  );
  problem.textContent = complaint();
  problem.hidden = !problem.textContent;
}

input.addEventListener("change", show);
for (const kind of ["dragenter", "dragover"]) {
  area.addEventListener(kind, (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  area.addEventListener(kind, () => area.classList.remove("over"));
}
area.addEventListener("drop", (event) => {
  event.preventDefault();
  if (!event.dataTransfer.files.length) return;
  input.files = event.dataTransfer.files;
  show();
});
form.addEventListener("submit", (event) => {
  if (complaint()) {
    event.preventDefault();
    show();
    input.focus();
    return;
  }
  busy.textContent = "Sending and verifying. A large package takes a while.";
});
window.addEventListener("pageshow", () => {
  busy.textContent = "";
  show();
});
