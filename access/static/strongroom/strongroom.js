"use strict";
// Everything here adds comfort; each page works without it.

document.documentElement.classList.add("js");

// Copies the whole digest behind a shortened one.
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const said = document.createElement("span");
    said.className = "copied";
    said.setAttribute("role", "status");
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      said.textContent = "Copied";
    } catch {
      said.textContent = "Not allowed by the browser";
    }
    button.after(said);
    setTimeout(() => said.remove(), 2000);
  });
}

// Switches the client as soon as another one is chosen.
for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

// Closes an open menu on Escape and on a click beside it.
const menus = document.querySelectorAll("details.account-menu, details.filter");
document.addEventListener("click", (event) => {
  for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus) {
    if (!menu.open) continue;
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Narrows the choices of a long filter as one types.
for (const filter of document.querySelectorAll("details.filter")) {
  const choices = [...filter.querySelectorAll("li")];
  if (choices.length < 12) continue;
  const box = document.createElement("input");
  box.type = "search";
  box.className = "narrow";
  box.placeholder = "Narrow these choices";
  box.setAttribute("aria-label", `Narrow the choices of ${filter.dataset.filterTitle}`);
  box.addEventListener("input", () => {
    const sought = box.value.trim().toLowerCase();
    for (const choice of choices) choice.hidden = !choice.textContent.toLowerCase().includes(sought);
  });
  filter.querySelector(".sheet").prepend(box);
}

// A decision is sent once, however often its button is pressed.
for (const form of document.querySelectorAll("form.act")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 5000); // a download leaves the page open
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form.act")) delete form.dataset.sent;
});
