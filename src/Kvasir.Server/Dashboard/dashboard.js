"use strict";
// The page of a running server: figures come four times a second over one stream, and lines are drawn from 120 of them, one a second.

const keyName = "kvasir-key";
const samples = [];
const mostSamples = 120;
const leastSeconds = 0.9;
const find = id => document.getElementById(id);
const made = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const number = value => value === undefined || !isFinite(value) ? "–" : value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
const percent = share => share === undefined || !isFinite(share) ? "–" : `${(share * 100).toLocaleString("en", { maximumFractionDigits: share < 0.1 ? 2 : 1 })}%`;
const time = ms => ms === undefined || !isFinite(ms) ? "–" : ms < 1000 ? `${number(ms)} ms` : ms < 60000 ? `${number(ms / 1000)} s` : `${Math.floor(ms / 60000)}m${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}s`;
const bytes = count => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; count >= 1023.95 && unit < units.length - 1; unit++) count /= 1024;
  return `${number(count)} ${units[unit]}`;
};

// Frames of an event stream, as they come: EventSource could send no key.
async function* frames(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const data = text.slice(0, end).split("\n").filter(line => line.startsWith("data:")).map(line => line.slice(5).trim()).join("\n");
      text = text.slice(end + 2);
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

function headers(more) {
  const key = sessionStorage.getItem(keyName);
  return { ...more, ...key ? { Authorization: `Bearer ${key}` } : {} };
}

function say(state, words) {
  find("state").dataset.state = state;
  find("state").textContent = words;
}

async function watch() {
  for (;;) {
    try {
      const response = await fetch("/kvasir/events", { headers: headers() });
      if (response.status === 401) {
        askForKey();
        return;
      }
      if (!response.ok) throw new Error(`status ${response.status}`);
      say("live", "live");
      for await (const figures of frames(response)) show(figures);
      say("lost", "the server has stopped; trying again");
    } catch (problem) {
      say("lost", `no connection (${problem.message}); trying again`);
    }
    await new Promise(resolve => setTimeout(resolve, 2000));
  }
}

function askForKey() {
  say("lost", "the server wants a key");
  find("refusal").textContent = sessionStorage.getItem(keyName) ? "This key is not known here." : "";
  find("door").hidden = false;
  find("board").hidden = true;
  find("key").focus();
}

find("door").addEventListener("submit", event => {
  event.preventDefault();
  sessionStorage.setItem(keyName, find("key").value);
  find("key").value = "";
  find("door").hidden = true;
  find("board").hidden = false;
  watch();
});

// Sums over the models that are loaded.
const sum = (models, of) => models.reduce((total, model) => total + of(model), 0);

function show(figures) {
  const models = figures.models;
  const sample = {
    at: Date.parse(figures.time),
    running: sum(models, m => m.running),
    waiting: sum(models, m => m.waiting + m.preempted),
    decodeRows: sum(models, m => m.decode_rows),
    promptRows: sum(models, m => m.prompt_rows),
    first50: figures.first_token_ms.p50,
    first90: figures.first_token_ms.p90,
    sequenceBytes: sum(models, m => m.kv.sequence_bytes),
    prefixBytes: sum(models, m => m.kv.prefix_bytes),
    indexBytes: sum(models, m => m.kv.index_bytes),
    limitBytes: sum(models, m => m.kv.limit_bytes),
  };
  const before = samples[samples.length - 1];
  const seconds = before ? (sample.at - before.at) / 1000 : 0;
  const rate = name => before && seconds > 0 && sample[name] >= before[name] ? (sample[name] - before[name]) / seconds : undefined;
  const isSample = !before || seconds >= leastSeconds;
  sample.decodeRate = isSample ? rate("decodeRows") : before.decodeRate;
  sample.promptRate = isSample ? rate("promptRows") : before.promptRate;
  if (isSample) samples.push(sample);
  if (samples.length > mostSamples) samples.shift();
  showNow(figures, models, sample);
  showSlots(figures.slots);
  showPolicies(figures.policies);
  if (isSample) charts.forEach(chart => chart.draw());
}

function showNow(figures, models, sample) {
  find("model").textContent = models.map(m => `${m.id}, attention ${m.policy}`).join("; ") || "no model is loaded yet";
  find("running").textContent = number(sample.running);
  find("waiting").textContent = number(sample.waiting);
  find("decode-rate").textContent = number(sample.decodeRate);
  find("prompt-rate").textContent = number(sample.promptRate);
  find("first-token").textContent = time(sample.first50);
  find("step").textContent = time(Math.max(...models.map(m => m.last_step_ms)));
  const [hit, missed] = [sum(models, m => m.prefix.hit_tokens), sum(models, m => m.prefix.miss_tokens)];
  find("hits").textContent = hit + missed > 0 ? percent(hit / (hit + missed)) : "–";
  const used = sample.sequenceBytes + sample.prefixBytes + sample.indexBytes;
  find("kv").textContent = `${bytes(used)} of ${bytes(sample.limitBytes)}`;
}

function showSlots(slots) {
  const rows = slots.map(slot => {
    const row = made("tr");
    const prompt = made("td");
    const progress = made("progress");
    const loads = slot.state === "loading";
    progress.max = loads ? 1 : Math.max(1, slot.n_prompt);
    progress.value = loads ? slot.progress : Math.min(slot.n_processed, slot.n_prompt);
    progress.setAttribute("aria-label", loads ? "model loaded" : "prompt computed");
    prompt.append(progress, loads ? ` ${slot.model}` : ` ${number(Math.min(slot.n_processed, slot.n_prompt))} of ${number(slot.n_prompt)}`);
    row.append(
      made("td", "", slot.waits_for ? `${slot.state}: ${slot.waits_for.replace("_", " ")}` : slot.state), made("td", "", slot.request_id.slice(0, 12)), prompt, made("td", "", number(slot.n_cached)), made("td", "", number(slot.n_decoded)),
      made("td", "", slot.policy ?? "–"), made("td", "", slot.n_decoded > 1 ? percent(slot.keys_read_share) : "–"), made("td", "", bytes(slot.kv_bytes)), made("td", "", time(slot.age_ms)));
    return row;
  });
  find("slots").replaceChildren(...rows);
  find("no-slots").hidden = rows.length > 0;
}

function showPolicies(policies) {
  const rows = policies.filter(policy => policy.keys_read_share.length > 0).map(policy => {
    const row = made("div", "policy");
    const layers = made("div", "layers");
    const mean = policy.keys_read_share.reduce((total, share) => total + share, 0) / policy.keys_read_share.length;
    policy.keys_read_share.forEach((share, layer) => {
      const bar = made("span");
      bar.style.setProperty("--share", `${share * 100}%`);
      bar.title = `layer ${layer}: ${percent(share)}`;
      layers.append(bar);
    });
    layers.setAttribute("role", "img");
    layers.setAttribute("aria-label", `keys read in ${policy.keys_read_share.length} layers, ${percent(mean)} in the mean`);
    const audit = policy.audit ? `; audit of ${number(policy.audit.heads)} heads: error ${percent(policy.audit.error_mean)}, mass kept ${percent(policy.audit.mass_kept)}` : "";
    row.append(made("strong", "", policy.policy), layers, made("span", "words", `${percent(mean)} of the keys in sight, ${policy.model}${audit}`));
    return row;
  });
  find("policies").replaceChildren(...rows);
  find("no-policies").hidden = rows.length > 0;
}

// Lines over the newest samples, or areas upon one another; the pointer shows the figures of one sample.
class Chart {
  constructor(id, title, series, format, stacked) {
    Object.assign(this, { series, format, stacked, width: 600, height: 120, at: undefined });
    const figure = find(id);
    this.caption = made("figcaption");
    this.caption.append(made("strong", "", title));
    this.values = series.map(line => {
      const entry = made("span");
      const mark = made("i");
      mark.style.background = `var(${line.color})`;
      entry.append(mark, `${line.title} `, made("span", "", "–"));
      this.caption.append(entry);
      return entry.lastChild;
    });
    this.svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("role", "img");
    this.svg.setAttribute("aria-label", title);
    this.paths = series.map(line => this.add("path", { fill: stacked ? `var(${line.color})` : "none", stroke: `var(${line.color})`, "stroke-width": 1.5, "stroke-linecap": "round", "vector-effect": "non-scaling-stroke" }));
    this.cursor = this.add("line", { y1: 0, y2: this.height, stroke: "var(--soft)", "vector-effect": "non-scaling-stroke", visibility: "hidden" });
    this.svg.addEventListener("pointermove", event => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.point(undefined));
    this.top = made("span", "", "");
    this.caption.append(this.top);
    figure.append(this.caption, this.svg);
  }

  add(tag, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    this.svg.append(element);
    return element;
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const place = event ? Math.round((event.clientX - box.left) / box.width * (mostSamples - 1)) - (mostSamples - samples.length) : undefined;
    this.at = place === undefined ? undefined : Math.max(0, Math.min(samples.length - 1, place));
    this.draw();
  }

  x(i) {
    return (mostSamples - samples.length + i) / (mostSamples - 1) * this.width;
  }

  draw() {
    const value = (sample, line) => sample[line.name] ?? 0;
    const tops = samples.map(sample => this.stacked ? this.series.reduce((total, line) => total + value(sample, line), 0) : Math.max(...this.series.map(line => value(sample, line))));
    const most = Math.max(...tops, 1e-9) * 1.05;
    // Lines are as wide at the bottom and the top as between.
    const y = level => this.height - 1 - level / most * (this.height - 2);
    const base = samples.map(() => 0);
    this.series.forEach((line, k) => {
      const levels = samples.map((sample, i) => value(sample, line) + (this.stacked ? base[i] : 0));
      // A line has gaps where nothing was known; what stands alone between two is a dot.
      const isKnown = i => this.stacked || samples[i]?.[line.name] !== undefined;
      const forward = levels.map((level, i) => isKnown(i) ? `${i && isKnown(i - 1) ? "L" : "M"}${this.x(i).toFixed(1)} ${y(level).toFixed(1)}${isKnown(i - 1) || isKnown(i + 1) ? "" : "h0"}` : "").join("");
      const back = base.map((level, i) => `L${this.x(i).toFixed(1)} ${y(level).toFixed(1)}`).reverse().join("");
      this.paths[k].setAttribute("d", this.stacked ? `${forward}${back}Z` : forward);
      if (this.stacked) levels.forEach((level, i) => base[i] = level);
      this.values[k].textContent = this.format(samples[this.at ?? samples.length - 1]?.[line.name]);
    });
    this.cursor.setAttribute("visibility", this.at === undefined ? "hidden" : "visible");
    if (this.at !== undefined) ["x1", "x2"].forEach(name => this.cursor.setAttribute(name, this.x(this.at)));
    this.top.textContent = tops.some(top => top > 0) ? `at most ${this.format(Math.max(...tops))}` : "";
  }
}

const charts = [
  new Chart("chart-tokens", "tokens a second", [{ name: "promptRate", title: "of prompts", color: "--two" }, { name: "decodeRate", title: "generated", color: "--one" }], number),
  new Chart("chart-first", "time to first token", [{ name: "first90", title: "p90", color: "--two" }, { name: "first50", title: "p50", color: "--one" }], time),
  new Chart("chart-sequences", "sequences", [{ name: "running", title: "running", color: "--one" }, { name: "waiting", title: "waiting", color: "--two" }], number),
  new Chart("chart-kv", "KV memory", [{ name: "sequenceBytes", title: "sequences", color: "--one" }, { name: "prefixBytes", title: "prefix cache", color: "--three" }, { name: "indexBytes", title: "indexes", color: "--four" }], count => count === undefined ? "–" : bytes(count), true),
];

const turns = [];
let asking;

function addTurn(who, className) {
  const turn = made("div", `answer ${className}`);
  turn.append(made("span", "who", who));
  find("answers").append(turn);
  return turn;
}

function factsOf(last, firstMs) {
  const own = last.kvasir ?? {};
  const timings = last.timings ?? {};
  const facts = [`first token ${time(firstMs)}`, `${number(timings.predicted_per_second)} tokens/s`];
  if (own.keys_read_share !== undefined) facts.push(`${percent(own.keys_read_share)} of the keys read by ${own.attention}`);
  facts.push(`${number(timings.cache_n)} of ${number((timings.cache_n ?? 0) + (timings.prompt_n ?? 0))} prompt tokens cached`);
  if (own.audit?.heads > 0) facts.push(`audit error ${percent(own.audit.error_mean)}`);
  if (own.finish && own.finish !== "end") facts.push(`ended by ${own.finish}`);
  return facts.join(" · ");
}

async function ask(question, attention) {
  addTurn("you", "mine").append(question);
  turns.push({ role: "user", content: question });
  const turn = addTurn("model", "");
  const thought = made("span", "thought");
  const text = made("span");
  turn.append(thought, text);
  asking = new AbortController();
  [find("send").disabled, find("stop").disabled] = [true, false];
  const start = performance.now();
  let firstMs;
  let last = {};
  try {
    const response = await fetch("/v1/chat/completions", {
      method: "POST", signal: asking.signal, headers: headers({ "Content-Type": "application/json" }),
      body: JSON.stringify({ messages: turns, stream: true, ...attention ? { kvasir: { attention } } : {} }),
    });
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const chunk of frames(response)) {
      if (chunk.error) throw new Error(chunk.error.message);
      const delta = chunk.choices[0]?.delta ?? {};
      if (delta.content || delta.reasoning_content) firstMs ??= performance.now() - start;
      thought.append(delta.reasoning_content ?? "");
      text.append(delta.content ?? "");
      last = chunk;
    }
    turn.append(made("span", "facts", factsOf(last, firstMs)));
  } catch (problem) {
    turn.append(made("span", problem.name === "AbortError" ? "facts" : "fault", problem.name === "AbortError" ? "stopped" : problem.message));
  }
  // What was refused is not said again with the next message.
  if (text.textContent) turns.push({ role: "assistant", content: text.textContent });
  else turns.pop();
  [find("send").disabled, find("stop").disabled] = [false, true];
}

find("ask").addEventListener("submit", event => {
  event.preventDefault();
  const question = find("question").value.trim();
  if (!question || find("send").disabled) return;
  find("question").value = "";
  ask(question, find("attention").value.trim());
});
find("question").addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    find("ask").requestSubmit();
  }
});
document.addEventListener("keydown", event => {
  if (event.key === "Escape") asking?.abort();
});
find("stop").addEventListener("click", () => asking?.abort());
find("clear").addEventListener("click", () => {
  asking?.abort();
  turns.length = 0;
  find("answers").replaceChildren();
  find("question").focus();
});

watch();
