// Asks the server for what is new, every second while the page is visible, and shows it as text.

import { drawCircuit, drawOutcomes } from "/emulator/page/drawing.js";

const EVERY_MS = 1000;
const $ = (id) => document.getElementById(id);
let chosen = decodeURIComponent(location.hash.slice(1));
let circuit = 0;
let shown = ""; // which job, circuit and state the lower half shows
let shownJobs = "";

const money = (amount) =>
  amount ? `${amount.value.toLocaleString("en", { maximumFractionDigits: 4 })} ${amount.unit.toUpperCase()}` : "–";
const time = (seconds) => new Date(1000 * seconds).toLocaleTimeString();

async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

function cell(text, name) {
  const made = document.createElement("td");
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function row(job) {
  const made = document.createElement("tr");
  made.tabIndex = 0;
  made.dataset.id = job.id;
  made.setAttribute("aria-selected", job.id === chosen);
  const cost = job.cost ? money(job.cost) : job.estimated_cost ? `≈ ${money(job.estimated_cost)}` : "–";
  made.append(
    cell(job.status + (job.dry_run ? " (dry run)" : ""), `state ${job.status}`),
    cell(job.name || job.id, "name"),
    cell(job.target),
    cell(job.circuits.toLocaleString("en"), "number"),
    cell(job.qubits, "number"),
    cell(job.gates.map((n) => n.toLocaleString("en")).join(" / "), "number"),
    cell(job.shots.toLocaleString("en"), "number"),
    cell(cost, "number"),
    cell(time(job.submitted)),
  );
  made.children[1].title = job.name || job.id;
  return made;
}

function choose(id) {
  chosen = id;
  circuit = 0;
  history.replaceState(null, "", `#${encodeURIComponent(id)}`);
  shownJobs = "";
  refresh();
}

function showJobs(data) {
  const states = Object.entries(data.statuses).map(([state, n]) => `${n} ${state}`).join(", ");
  const spent = data.spent.map(money).join(" + ");
  $("summary").textContent =
    `${data.total} ${data.total === 1 ? "job" : "jobs"}` + (states ? `: ${states}` : "") + (spent ? ` · spent ${spent}` : "");
  $("summary").classList.remove("lost");
  const text = JSON.stringify(data.jobs) + chosen;
  if (text === shownJobs) return;
  shownJobs = text;
  const focused = document.activeElement?.dataset?.id;
  const rows = data.jobs.map(row);
  $("jobs").tBodies[0].replaceChildren(...rows);
  rows.find((one) => one.dataset.id === focused)?.focus();
  $("jobs").hidden = !rows.length;
  $("no-jobs").hidden = rows.length > 0;
  const rest = data.total - rows.length;
  $("more").hidden = rest <= 0;
  $("more").textContent = `and ${rest} older jobs`;
}

function fact(name, text) {
  const group = document.createElement("div");
  const term = document.createElement("dt"), value = document.createElement("dd");
  term.textContent = name;
  value.textContent = text;
  group.append(term, value);
  return group;
}

function showJob({ job, circuit: drawn, outcomes }) {
  $("job").hidden = false;
  $("job-title").textContent = job.name || job.id;
  const facts = [
    ["Id", job.id],
    ["State", job.status],
    ["Target", job.target],
    ["Noise", job.noise],
    ["Shots", job.shots.toLocaleString("en")],
    ["Estimated cost", money(job.estimated_cost)],
    ["Cost", money(job.cost)],
    ["Submitted", time(job.submitted)],
    ["Error mitigation", job.debiasing ? "debiasing" : "none"],
    ["API", `${job.version}, ${job.type}`],
  ];
  if (job.session) facts.push(["Session", job.session]);
  $("facts").replaceChildren(...facts.map((pair) => fact(...pair)));
  $("failure").hidden = !job.failure;
  if (job.failure) $("failure").textContent = `${job.failure.code}: ${job.failure.message ?? ""}`;
  $("picker").hidden = job.circuits < 2;
  $("number").max = job.circuits - 1;
  $("number").value = drawn.number;
  $("of").textContent = `of 0 to ${job.circuits - 1}`;
  $("circuit-name").textContent = drawn.name ?? "";
  $("circuit").replaceChildren(...(drawn.columns ? [drawCircuit(drawn)] : []));
  const notes = [`${drawn.gates[0]} one-qubit and ${drawn.gates[1]} two-qubit gates.`];
  if (drawn.left_out) notes.push(`${drawn.left_out} more gates are not drawn.`);
  if (drawn.problem) notes.push(`There is no picture: ${drawn.problem}`);
  $("circuit-note").textContent = notes.join(" ");
  $("outcomes").replaceChildren(...(outcomes ? drawOutcomes(outcomes) : []));
  $("outcomes-note").textContent = outcomes
    ? `${outcomes.number} outcomes, qubit 0 on the left.` +
      (outcomes.number > outcomes.shown.length
        ? ` Those not shown have ${outcomes.rest.toPrecision(3)} together.`
        : "")
    : "There are no results.";
  $("metadata").textContent = JSON.stringify({ metadata: job.metadata, settings: job.settings }, null, 2);
}

async function refresh() {
  try {
    const data = await ask("/emulator/page/jobs");
    showJobs(data);
    if (!chosen && data.jobs.length) return choose(data.jobs[0].id);
    const known = data.jobs.find((job) => job.id === chosen);
    const wanted = JSON.stringify([chosen, circuit, known?.status, known?.cost]);
    if (chosen && (wanted !== shown || !known)) {
      const asked = [chosen, circuit];
      const detail = await ask(`/emulator/page/jobs/${encodeURIComponent(chosen)}?circuit=${circuit}`);
      if (asked[0] !== chosen || asked[1] !== circuit) return; // another one was chosen meanwhile
      showJob(detail);
      shown = wanted;
    }
  } catch (error) {
    if (error.message === "404") {
      chosen = "";
      $("job").hidden = true;
      return;
    }
    $("summary").textContent = "The server does not answer.";
    $("summary").classList.add("lost");
  }
}

function pick(number) {
  const most = Number($("number").max);
  circuit = Math.min(Math.max(Math.trunc(number) || 0, 0), most);
  $("number").value = circuit;
  refresh();
}

$("jobs").addEventListener("click", (event) => {
  const id = event.target.closest("tr[data-id]")?.dataset.id;
  if (id) choose(id);
});
$("jobs").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.dataset.id) choose(event.target.dataset.id);
});
$("number").addEventListener("change", () => pick(Number($("number").value)));
$("before").addEventListener("click", () => pick(circuit - 1));
$("after").addEventListener("click", () => pick(circuit + 1));
$("address").textContent = `${location.origin}/v0.4`;

async function loop() {
  if (!document.hidden) await refresh();
  setTimeout(loop, EVERY_MS);
}
loop();
