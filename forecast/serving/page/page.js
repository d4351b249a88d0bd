// The page: a file goes up, what is found comes back, selects correct it, a job runs, and its report is read.

const $ = (id) => document.getElementById(id);
const DETECTED = {
  freq: [["15min", "15 minutes"], ["h", "an hour"], ["D", "a day"], ["B", "a business day"], ["W-MON", "a week (Mondays)"],
    ["W-SUN", "a week (Sundays)"], ["MS", "a month"], ["QS", "a quarter"], ["YS", "a year"]],
  season: [["1", "no season"], ["4", "4 steps"], ["7", "7 steps"], ["12", "12 steps"], ["24", "24 steps"],
    ["52", "52 steps"], ["168", "168 steps"], ["365", "365 steps"]],
};
const ROLES = [["", "not used"], ["future", "known ahead as well"], ["past", "known up to now"], ["static", "the same in all rows"]];
const STATUS = { uploaded: "not forecast yet", waiting: "waits", running: "is being forecast", done: "forecast", failed: "failed", cancelled: "cancelled" };

let job = null; // of which the page speaks
let found = null; // what was found in its file
let asked = 0; // questions about it, so that late answers to earlier ones are let go
let events = null;

async function ask(path, method = "GET", body = undefined) {
  const json = body !== undefined && !(body instanceof Blob);
  const answer = await fetch(path, {
    method,
    body: json ? JSON.stringify(body) : body,
    headers: json ? { "content-type": "application/json" } : {},
  }).catch(() => { throw new Error("the service does not answer: is it still running?"); });
  const text = await answer.text();
  const made = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(made?.error ?? `the service answered ${answer.status}`);
  return made;
}

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function say(text) { $("status").textContent = text; }

function complain(error) {
  $("error").textContent = error ? error.message ?? error : "";
  $("error").hidden = !error;
}

function show(...ids) {
  for (const id of ["found", "working", "result"]) $(id).hidden = !ids.includes(id);
}

function focus(section) { $(section).querySelector("h2").focus({ preventScroll: true }); $(section).scrollIntoView({ block: "start" }); }

function options(select, first, pairs) {
  const before = select.value;
  select.replaceChildren(element("option", first, { value: "" }), ...pairs.map(([value, text]) => element("option", text, { value })));
  if ([...select.options].some((option) => option.value === before)) select.value = before;
}

// ---- what is asked for

function settings() {
  const data = {};
  if ($("target").value === "*") data.layout = "columns";
  else if ($("target").value) data.target = $("target").value.slice(1);
  if ($("time").value) data.time = $("time").value.slice(1);
  if ($("id").value) data.id = $("id").value.slice(1);
  if ($("freq").value) data.freq = $("freq").value;
  if ($("season").value) data.season_steps = Number($("season").value);
  if ($("gaps").value) data.on_gaps = $("gaps").value;
  if ($("sheet").value.trim()) data.sheet = $("sheet").value.trim();
  for (const select of $("others").querySelectorAll("select")) {
    if (select.value) (data[select.value] ??= []).push(select.dataset.column);
  }
  for (const line of $("more").value.split("\n")) {
    const bare = line.trim().replace(/^[`"']+|[`"']+$/g, ""); // as a message quotes it
    const match = bare.match(/^(?:data\.)?(\w+)\s*=\s*(.*)$/);
    if (match) data[match[1]] = /^\[.*\]$/.test(match[2]) ? match[2].slice(1, -1).split(",").map((part) => part.trim()) : match[2];
    else if (line.trim()) throw new Error(`"${line.trim()}" is not a setting: write key=value, as in data.on_gaps=mask`);
  }
  return { data, horizon: Number($("horizon").value) || 1, model: $("model").value };
}

function command() {
  const { data, horizon, model } = settings();
  const quote = (text) => (/^[\w./=,:[\]-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const words = Object.entries(data).map(([key, value]) => `data.${key}=${Array.isArray(value) ? `[${value.join(",")}]` : value}`);
  return ["python -m forecast", ...[job.file, `horizon=${horizon}`, ...(model === "auto" ? [] : [`model=${model}`]), ...words].map(quote)].join(" ");
}

// ---- what was found

async function look() {
  const mine = ++asked;
  say(`Reading ${job.file} …`);
  try {
    const made = await ask(`/jobs/${job.id}/look`, "POST", settings());
    if (mine !== asked) return false;
    found = made;
    complain(found.error);
    draw();
    say(found.error ? "" : `${job.file} has been read.`);
  } catch (error) {
    if (mine !== asked) return false;
    complain(error);
    say("");
    $("go").disabled = true;
  }
  return true;
}

function draw() {
  const facts = Object.fromEntries(found.found);
  const columns = found.columns.map(({ name }) => ["=" + name, name]);
  $("name").textContent = job.file;
  const numbers = found.columns.filter(({ numeric }) => numeric).map(({ name }) => ["=" + name, name]);
  if (numbers.length > 1) numbers.push(["*", "every column of numbers, each a series"]);
  options($("target"), facts.target ? `found: ${facts.target}` : "choose a column", numbers);
  options($("time"), facts.time ? `found: ${facts.time}` : "found by itself", [["=none", "none: rows are steps"], ...columns]);
  options($("id"), facts.id ? `found: ${facts.id}` : "nothing: it is one series", columns);
  options($("freq"), found.frequency ? `found: ${facts.frequency ?? found.frequency}` : "found by itself", DETECTED.freq);
  options($("season"), found.season ? `found: ${found.season.split(" (")[0]}` : "found by itself", DETECTED.season);
  $("sheets").hidden = !/\.(xlsx?|xlsm|ods)$/i.test(job.file);
  drawOthers(facts);
  const rows = (facts.rows ?? "").replace(/^([\d,]+)/, "$1 rows");
  $("summary").textContent = !rows ? "" : `${rows}; frequency ${facts.frequency}` +
    (found.season ? `; season ${found.season.split(" (")[0]}` : "") +
    (found.missing ? `; ${found.missing} missing values` : "; no missing values") + ".";
  $("facts").replaceChildren(...[...found.found, ...(found.season ? [["season", found.season]] : []), ...(found.model ? [["network", found.model]] : [])]
    .flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  $("notes").replaceChildren(...found.notes.map((note) => element("li", note)));
  $("command").textContent = command();
  $("go").disabled = Boolean(found.error);
  if (found.error) $("correct").open = true;
  chart(found.chart);
}

function drawOthers(facts) {
  const taken = [facts.target, facts.time, facts.id].filter(Boolean).join(" | ");
  const chosen = [$("target"), $("time"), $("id")].map((select) => select.value.slice(1));
  const before = Object.fromEntries([...$("others").querySelectorAll("select")].map((select) => [select.dataset.column, select.value]));
  const names = found.columns.map(({ name }) => name).filter((name) => !chosen.includes(name) && !taken.includes(name)).slice(0, 30);
  $("others").hidden = names.length === 0 || $("target").value === "*";
  $("others").querySelector(".fields").replaceChildren(...names.map((name, i) => {
    const field = element("p"), select = element("select", "", { id: `other-${i}`, "data-column": name });
    options(select, ROLES[0][1], ROLES.slice(1));
    select.value = before[name] ?? "";
    field.append(element("label", name, { for: `other-${i}` }), select);
    return field;
  }));
}

function chart(line) {
  $("figure").hidden = !line;
  if (!line) return;
  const svg = $("chart"), width = svg.clientWidth || 600, height = 200, left = 52, bottom = 22, top = 8;
  const values = line.y.filter((y) => y !== null), low = Math.min(...values), high = Math.max(...values);
  const [begin, end] = [line.t[0], line.t[line.t.length - 1]];
  const x = (t) => left + ((t - begin) / (end - begin || 1)) * (width - left - 4);
  const y = (v) => top + (1 - (v - low) / (high - low || 1)) * (height - top - bottom);
  let path = "", pen = "M";
  line.y.forEach((v, i) => { if (v === null) pen = "M"; else { path += `${pen}${x(line.t[i]).toFixed(1)},${y(v).toFixed(1)}`; pen = "L"; } });
  const make = (name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  const short = (v) => new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(v);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", `${line.name} from ${line.first} to ${line.last}, between ${short(low)} and ${short(high)}`);
  svg.replaceChildren(
    ...[low, (low + high) / 2, high].flatMap((v) => [
      make("line", { x1: left, x2: width, y1: y(v), y2: y(v) }),
      make("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, short(v)),
    ]),
    make("path", { d: path }),
    make("text", { x: left, y: height - 4 }, line.first),
    make("text", { x: width, y: height - 4, "text-anchor": "end" }, line.last),
  );
  $("caption").textContent = found.series?.length > 1 ? `${line.name}, the longest of ${found.series.length} series` : line.name;
}

// ---- jobs

async function upload(file) {
  if (!file) return;
  complain(null);
  events?.close();
  show();
  say(`Taking ${file.name} …`);
  try {
    job = await ask(`/jobs?file=${encodeURIComponent(file.name)}`, "POST", file);
    $("settings").reset();
    for (const select of document.querySelectorAll("#settings select")) if (select.id !== "model" && select.id !== "gaps") select.replaceChildren();
    $("others").querySelector(".fields").replaceChildren();
    $("correct").open = false;
    location.hash = job.id;
    if (await look()) { show("found"); if (found) draw(); focus("found"); }
  } catch (error) { complain(error); say(""); }
}

function follow(id) {
  events?.close();
  events = new EventSource(`/jobs/${id}/events`);
  events.onmessage = (event) => {
    job = JSON.parse(event.data);
    present();
  };
}

function present() {
  for (const name of document.querySelectorAll(".of")) name.textContent = job.file;
  if (job.status === "waiting" || job.status === "running") {
    if ($("working").hidden) { show("working"); focus("working"); }
    $("said").textContent = job.progress.said;
    if (job.progress.share === null) $("bar").removeAttribute("value"); else $("bar").value = job.progress.share;
    return;
  }
  events?.close();
  if (job.status === "done") {
    complain(null);
    say(`The forecast of ${job.file} is ready.`);
    $("sentence").textContent = `${job.sentence}.`.replace(/(\d) %/g, "$1\u00a0%");
    const again = element("button", "Change the settings", { type: "button" });
    again.onclick = async () => { if (found || (await look())) { show("found"); draw(); focus("found"); } };
    const names = { "forecast.xlsx": "Download for Excel", "forecast.csv": "Download as CSV", "forecasts.csv": "Forecasts of all models", "leaderboard.csv": "The comparison" };
    $("downloads").replaceChildren(
      ...Object.keys(names).filter((name) => job.downloads.includes(name))
        .map((name) => element("a", names[name], { class: name.startsWith("forecast.") ? "button" : "", href: `/jobs/${job.id}/files/${name}`, download: "" })),
      again,
      element("a", "Open the report by itself", { href: `/jobs/${job.id}/report`, target: "_blank", rel: "noopener" }),
    );
    $("report").src = `/jobs/${job.id}/report`;
    show("result");
    focus("result");
  } else {
    if (job.status === "failed") complain(job.error);
    say(job.status === "cancelled" ? "Cancelled." : "");
    show("found");
    if (found === null) look();
  }
  list();
}

async function list() {
  const jobs = await ask("/jobs");
  $("earlier").hidden = jobs.length === 0;
  $("earlier").querySelector("ul").replaceChildren(...jobs.map((one) => {
    const row = element("li"), name = element("span", "", { class: "name" });
    name.append(element("a", one.file, { href: `#${one.id}` }));
    const when = new Date(one.created * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const drop = element("button", "Delete", { type: "button", "aria-label": `Delete ${one.file} of ${when}` });
    drop.onclick = async () => {
      await ask(`/jobs/${one.id}`, "DELETE").catch(complain);
      if (job?.id === one.id) { events?.close(); job = null; show(); history.replaceState(null, "", "/"); }
      say(`${one.file} has been deleted.`);
      list();
    };
    row.append(name, element("span", `${STATUS[one.status]}, ${when}`, { class: "quiet" }), drop);
    return row;
  }));
}

async function open(id) {
  if (!/^[0-9a-f]{32}$/.test(id) || job?.id === id) return;
  complain(null);
  found = null;
  try {
    job = await ask(`/jobs/${id}`);
    if (job.asked.horizon) $("horizon").value = job.asked.horizon;
    if (job.status === "uploaded") { if (await look()) { show("found"); draw(); } } else if (job.status === "done" || job.status === "failed" || job.status === "cancelled") present(); else follow(id);
  } catch (error) { complain(error); show(); }
}

$("file").onclick = () => { $("file").value = ""; };  // the same file, mended and chosen again, is a change too
$("file").onchange = () => upload($("file").files[0]);
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    if (kind === "drop") upload(event.dataTransfer.files[0]);
  });
}
$("settings").addEventListener("change", (event) => {
  if (event.target.id !== "horizon" || $("horizon").reportValidity()) look();
});
$("settings").onsubmit = async (event) => {
  event.preventDefault();
  complain(null);
  try {
    job = await ask(`/jobs/${job.id}/start`, "POST", settings());
    say("");
    follow(job.id);
  } catch (error) { complain(error); }
};
$("cancel").onclick = () => ask(`/jobs/${job.id}/cancel`, "POST", {}).catch(complain);
addEventListener("hashchange", () => open(location.hash.slice(1)));
addEventListener("resize", () => chart(found?.chart));

list().catch(complain);
ask("/runs").then((runs) => {
  $("runs").hidden = runs.length === 0;
  $("runs").querySelector("ul").replaceChildren(...runs.map((run) => {
    const row = element("li"), name = element("span", "", { class: "name" });
    name.append(element("a", run.id, { href: `/runs/${encodeURIComponent(run.id)}/report` }));
    row.append(name, element("span", `${run.model}, ${run.horizon} steps ahead`, { class: "quiet" }));
    return row;
  }));
});
open(location.hash.slice(1));
