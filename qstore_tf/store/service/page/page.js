// Looks into a database by its API. The key lives in the variable `key`, and nowhere else.

import { bar, digits, drawDecay, duration, element, meter } from "/page/drawing.js";

const PAGE = 50;
const STALEST = 10;
const NUMBERS_SHOWN = 32;
const $ = (id) => document.getElementById(id);
let key = "";
let settings = { coherence_threshold: 0.01, needs_key: false };
let spaces = [];
let space = null; // the namespace that is shown
let item = null; // the item that is shown
let tokens = [null]; // of the pages up to the one that is shown
let summary = "";
// Answers to earlier clicks come too late: of each part of the page, and of all parts of another namespace.
const turns = { space: 0, items: 0, item: 0, query: 0 };

async function ask(verb, body = {}) {
  const headers = { "Content-Type": "application/json" };
  if (key) headers["Api-Key"] = key;
  const answer = await fetch(`/v1/${verb}`, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store" });
  const found = await answer.json();
  if (!answer.ok) {
    const error = new Error(found.error?.message ?? `The service answered ${answer.status}.`);
    error.status = answer.status;
    throw error;
  }
  return found;
}

/** Runs what a click asks for; says what went wrong, unless another click came after it. */
async function act(part, work, place = $("status")) {
  const mine = ++turns[part], whole = turns.space;
  const still = () => mine === turns[part] && whole === turns.space;
  try {
    await work(still);
    if (still() && $("status").classList.contains("bad")) say(summary);
  } catch (error) {
    if (!still()) return;
    place.textContent = error instanceof TypeError ? "The service does not answer." : error.message;
    place.classList.add("bad");
    if (error.status === 401) forget();
  }
}

function say(text) {
  $("status").textContent = text;
  $("status").classList.remove("bad");
}

/** Hides all that a key showed. */
function forget() {
  key = "";
  spaces = [];
  space = item = null;
  $("namespaces").tBodies[0].replaceChildren();
  $("spaces").hidden = $("inside").hidden = true;
  $("login").hidden = !settings.needs_key;
  $("key").focus();
}

function link(id) {
  const made = element("button", id, "link");
  made.type = "button";
  made.title = id;
  made.addEventListener("click", () => act("item", (still) => showItem(id, still)));
  return made;
}

function choosable(row, choose) {
  row.tabIndex = 0;
  row.addEventListener("click", choose);
  row.addEventListener("keydown", (event) => event.key === "Enter" && choose());
  return row;
}

async function showNamespaces(still) {
  const found = await ask("namespaces");
  if (!still()) return;
  spaces = found;
  const total = spaces.reduce((sum, each) => sum + each.count, 0);
  summary = `${digits(total, 12)} ${total === 1 ? "item" : "items"} in ${spaces.length} ${spaces.length === 1 ? "namespace" : "namespaces"}`;
  say(summary);
  $("spaces").hidden = false;
  $("namespaces").hidden = !spaces.length;
  $("no-namespaces").hidden = spaces.length > 0;
  space = spaces.find((each) => each.name === space?.name) ?? null;
  $("inside").hidden = !space;
  const rows = spaces.map((each) => {
    const row = element("tr");
    row.append(
      element("td", each.name, "name"),
      element("td", digits(each.count, 12), "number"),
      element("td", each.dimension, "number"),
      element("td", each.metric),
      element("td", each.contexts.join(", ") || "–", "name"),
    );
    return choosable(row, () => act("space", (now) => choose(each, now)));
  });
  $("namespaces").tBodies[0].replaceChildren(...rows);
  markNamespace();
  if (space) await showInside(still);
  else if (spaces.length) await choose(spaces[0], still);
}

function markNamespace() {
  spaces.forEach((each, k) => $("namespaces").tBodies[0].rows[k].setAttribute("aria-selected", each === space));
}

async function choose(chosen, still) {
  space = chosen;
  item = null;
  tokens = [null];
  $("prefix").value = $("query-id").value = $("query-note").textContent = "";
  $("archived").checked = false;
  $("matches").hidden = true;
  $("query-context").replaceChildren(new Option("(any)", ""), ...space.contexts.map((name) => new Option(name, name)));
  markNamespace();
  $("inside").hidden = false;
  await showInside(still);
}

async function showInside(still) {
  if (!item) showNothing();
  await showItems(still);
  if (!still()) return;
  const [groups, stale] = await Promise.all([
    ask("entangled_groups", { namespace: space.name }),
    ask("stale", { namespace: space.name, top_k: STALEST, packed: true }),
  ]);
  if (!still()) return;
  showGroups(groups, stale);
  if (item) await showItem(item.id, still);
}

async function showItems(still) {
  const body = { namespace: space.name, prefix: $("prefix").value, limit: PAGE, archived: $("archived").checked };
  const found = await ask("list", { ...body, page_token: tokens.at(-1) });
  if (!still()) return;
  const rows = found.ids.map((id) => {
    const row = element("li"), button = element("button", id);
    button.type = "button";
    button.title = id;
    button.dataset.id = id;
    button.addEventListener("click", () => act("item", (now) => showItem(id, now)));
    row.append(button);
    return row;
  });
  $("items").replaceChildren(...rows);
  $("no-items").hidden = rows.length > 0;
  $("pages").hidden = tokens.length < 2 && !found.next_token;
  $("before").disabled = tokens.length < 2;
  $("after").disabled = !found.next_token;
  $("after").dataset.token = found.next_token ?? "";
  $("page-note").textContent = `page ${tokens.length}`;
  markItem();
}

function markItem() {
  for (const button of $("items").querySelectorAll("button")) button.setAttribute("aria-pressed", button.dataset.id === item?.id);
}

function showNothing() {
  $("about").hidden = true;
  $("no-item").hidden = false;
  $("item-title").textContent = "Item";
}

function fact(name, ...values) {
  const group = element("div"), value = element("dd");
  value.append(...values);
  group.append(element("dt", name), value);
  return group;
}

async function fetchItem(id) {
  const [found] = await ask("get_many", { namespace: space.name, ids: [id], packed: true });
  if (!found) throw new Error(`There is no item ${JSON.stringify(id)} here.`);
  return found;
}

async function showItem(id, still) {
  const found = await fetchItem(id);
  if (!still()) return;
  item = found;
  $("about").hidden = false;
  $("no-item").hidden = true;
  $("item-title").textContent = item.id;
  $("query-id").value = item.id;
  markItem();
  const facts = [
    fact("Written", new Date(item.written_at).toLocaleString()),
    fact("Version", item.version),
    fact("State", item.archived ? "archived: no query finds it" : "stored"),
  ];
  if (item.groups.length) facts.push(fact("Groups", item.groups.join(", ")), fact("Staleness", digits(item.staleness)));
  $("facts").replaceChildren(...facts);
  const own = item.contexts.filter((context) => context.vector);
  $("contexts").replaceChildren(...item.contexts.map((each) => {
    const label = element("span", each.name);
    label.title = each.name;
    return bar(label, each.weight, 1);
  }));
  $("contexts-note").textContent = !item.contexts.length
    ? "None: only queries without a context find it."
    : own.length ? `With a vector of their own: ${own.map((each) => each.name).join(", ")}.` : "All share the item's vector.";
  showDecay();
  $("metadata").textContent = Object.keys(item.metadata).length ? JSON.stringify(item.metadata, null, 2) : "none";
  $("vector").textContent = item.vector ? numbers(item.vector) : "One for each context, none of its own.";
}

function showDecay() {
  const tau = item.coherence_time, threshold = settings.coherence_threshold;
  $("decay").replaceChildren();
  if (tau === null) {
    $("decay-note").textContent = "It has no coherence time: it is kept for ever.";
    return;
  }
  $("decay").append(drawDecay(tau, item.coherence, threshold));
  const left = tau * Math.log(item.coherence / threshold);
  $("decay-note").textContent =
    `${digits(item.coherence)} now, coherence time ${duration(tau)}. ` +
    (item.archived ? "It is archived." : left > 0 ? `It falls below ${threshold} in ${duration(left)} and may then be archived by apply_decoherence.` : `It is below ${threshold} and due to be archived.`);
}

/** The first numbers of a packed vector. */
function numbers({ dtype, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const complex = dtype.startsWith("complex");
  const values = dtype === "float32" || dtype === "complex64" ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer);
  const texts = [];
  const step = complex ? 2 : 1;
  for (let k = 0; k < values.length && texts.length < NUMBERS_SHOWN; k += step) {
    texts.push(complex ? `${digits(values[k])}${values[k + 1] < 0 ? "−" : "+"}${digits(Math.abs(values[k + 1]))}i` : digits(values[k]));
  }
  const rest = values.length / step - texts.length;
  return texts.join("  ") + (rest > 0 ? `  … and ${rest} more` : "");
}

function showGroups(groups, stale) {
  const names = Object.keys(groups);
  $("no-groups").hidden = names.length > 0;
  $("groups").replaceChildren(...names.map((name) => fact(`${name}, ${groups[name].length} members`, ...groups[name].slice(0, 50).map(link))));
  $("stale-title").hidden = $("stale").hidden = $("stale-note").hidden = !names.length;
  const most = Math.max(0, ...stale.map((each) => each.staleness));
  $("stale").replaceChildren(...stale.map((each) => bar(link(each.id), each.staleness, most)));
  $("stale-note").textContent = stale.length
    ? "Variance per coordinate that the steps of their groups left unexplained. Compute those on top anew first."
    : "None: no member has moved since the others were written.";
}

async function query(still) {
  const note = $("query-note"), context = $("query-context").value || null;
  note.classList.remove("bad");
  const found = await fetchItem($("query-id").value);
  const vector = vectorIn(found, context);
  const [answer] = await ask("query_many", {
    namespace: space.name,
    vectors: { ...vector, shape: [1, ...vector.shape] },
    context,
    top_k: Number($("query-top").value),
    include_metadata: false,
  });
  if (!still()) return;
  const most = Math.max(0, ...answer.matches.map((match) => match.score));
  const rows = answer.matches.map((match) => {
    const row = element("tr"), course = element("td");
    course.append(meter(match.score, most));
    const name = element("td", match.id, "name");
    name.title = match.id;
    row.append(
      name,
      course,
      element("td", match.score.toFixed(4), "number"),
      element("td", match.fidelity.toFixed(4), "number"),
      element("td", digits(match.coherence, 3), "number"),
    );
    return choosable(row, () => act("item", (now) => showItem(match.id, now)));
  });
  $("matches").tBodies[0].replaceChildren(...rows);
  $("matches").hidden = !rows.length;
  note.textContent = rows.length ? `${rows.length} matches, seen at commit ${answer.commit}.` : "Nothing matches.";
}

function vectorIn(found, context) {
  const own = found.contexts.find((each) => each.name === context)?.vector;
  const vector = own ?? found.vector;
  if (!vector) throw new Error("This item has a vector for each context and none of its own: choose one of its contexts.");
  return vector;
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  $("key").value = "";
  act("space", showNamespaces);
});
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  tokens = [null];
  act("items", showItems);
});
$("archived").addEventListener("change", () => $("search").requestSubmit());
$("query").addEventListener("submit", (event) => {
  event.preventDefault();
  act("query", query, $("query-note"));
});
$("before").addEventListener("click", () => {
  tokens.pop();
  act("items", showItems);
});
$("after").addEventListener("click", () => {
  tokens.push($("after").dataset.token);
  act("items", showItems);
});
$("refresh").addEventListener("click", () => act("space", showNamespaces));

async function start(still) {
  settings = await (await fetch("/page/settings.json")).json();
  $("address").textContent = location.origin;
  if (settings.needs_key) {
    forget();
    say("Type in an API key. It stays in this page's memory.");
  } else await showNamespaces(still);
}
act("space", start);
