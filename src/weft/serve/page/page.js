"use strict";

// Asks every adapter for the same text and draws the answers side by side.

const MOST_LABELS = 5;
const $ = (id) => document.getElementById(id);
let adapters = [];
let turn = 0; // of the question: answers to an older one are dropped

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  const token = $("token").value;
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (response.status === 401) $("token-row").hidden = false;
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(found.error || `The server answered ${response.status}.`);
  return found;
}

function bar(entry) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  const share = document.createElement("span");
  label.className = "label";
  label.textContent = entry.label;
  share.className = "share";
  share.textContent = percent(entry.score);
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 100 1");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const filled = document.createElementNS(space, "rect");
  filled.setAttribute("width", String(100 * entry.score));
  filled.setAttribute("height", "1");
  picture.append(filled);
  item.append(label, share, picture);
  return item;
}

function draw(adapter, entries, text) {
  const card = $("answer").content.cloneNode(true).querySelector("article");
  card.querySelector("h2").textContent = adapter.name;
  card.querySelector(".verdict").textContent = `${entries[0].label}, ${percent(entries[0].score)}`;
  card.querySelector(".bars").append(...entries.slice(0, MOST_LABELS).map(bar));
  const button = card.querySelector(".why");
  button.setAttribute("aria-label", `Which words? ${adapter.name}`);
  button.addEventListener("click", () => explain(card, button, adapter, text));
  return card;
}

function failed(adapter, error) {
  const card = document.createElement("article");
  const title = document.createElement("h2");
  const words = document.createElement("p");
  title.textContent = adapter.name;
  words.textContent = error.message;
  card.append(title, words);
  return card;
}

async function explain(card, button, adapter, text) {
  button.disabled = true;
  button.textContent = "Weighing words…";
  const room = card.querySelector(".words");
  try {
    const found = await ask("why", { inputs: text, adapter: adapter.name });
    const most = Math.max(...found.words.map((word) => Math.abs(word.score)), 1e-9);
    const pieces = found.words.flatMap((word) => {
      const piece = document.createElement("span");
      const level = Math.round((3 * Math.abs(word.score)) / most);
      const points = `${word.score < 0 ? "−" : "+"}${(100 * Math.abs(word.score)).toFixed(1)} points`;
      piece.textContent = word.word;
      piece.title = points;
      if (level) piece.className = `${word.score < 0 ? "against" : "for"}-${level}`;
      return [piece, document.createTextNode(" ")];
    });
    const strongest = [...found.words].sort((a, b) => Math.abs(b.score) - Math.abs(a.score)).slice(0, 3);
    const key = document.createElement("p");
    key.className = "key";
    key.textContent =
      `Single line: for “${found.label}”; double: against. Strongest: ` +
      strongest
        .map((word) => `${word.word} ${word.score < 0 ? "−" : "+"}${(100 * Math.abs(word.score)).toFixed(1)}`)
        .join(", ") +
      ` points. Without any word: ${percent(found.without)}.`;
    room.replaceChildren(...pieces, key);
    room.hidden = false;
    button.hidden = true;
  } catch (error) {
    room.textContent = error.message;
    room.hidden = false;
    button.disabled = false;
    button.textContent = "Which words?";
  }
}

async function look() {
  adapters = await ask("adapters");
  const names = adapters.length === 1 ? "1 adapter" : `${adapters.length} adapters`;
  $("about").textContent = `${names}: ${adapters.map((adapter) => adapter.name).join(", ")}`;
}

async function submit(event) {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) {
    problem("Type a text first.");
    $("text").focus();
    return;
  }
  problem("");
  const own = ++turn;
  $("answers").setAttribute("aria-busy", "true");
  try {
    if (!adapters.length) await look();
    const cards = await Promise.all(
      adapters.map((adapter) =>
        ask("predict", { inputs: text, adapter: adapter.name })
          .then((entries) => draw(adapter, entries, text))
          .catch((error) => failed(adapter, error)),
      ),
    );
    if (own === turn) $("answers").replaceChildren(...cards);
  } catch (error) {
    if (own === turn) problem(error.message);
  } finally {
    if (own === turn) $("answers").removeAttribute("aria-busy");
  }
}

$("form").addEventListener("submit", submit);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("form").requestSubmit();
  }
});
look().catch((error) => {
  $("about").textContent = "No adapters are shown yet.";
  problem(error.message);
});
