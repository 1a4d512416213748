// Prints how often @huggingface/jinja agrees with the renderings that Jinja2 gave, and the first differences.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

// From where the command is run, so that the package can be installed anywhere.
const { Template } = createRequire(join(process.cwd(), "package.json"))("@huggingface/jinja");
const folder = process.argv[2];
const load = (name) => JSON.parse(gunzipSync(readFileSync(join(folder, name))).toString("utf8"));

function render(source, variables) {
  try {
    return new Template(source.replaceAll(/\{%-?\s*(end)?generation\s*-?%\}/g, (tag) => (tag.startsWith("{%-") ? "{#-" : "{#") + (tag.endsWith("-%}") ? "-#}" : "#}"))).render(variables);
  } catch (error) {
    return { error: error.message };
  }
}

function report(name, rows) {
  const differing = rows.filter(({ expected, actual }) => (expected ?? "error") !== (typeof actual === "string" ? actual : "error"));
  console.log(`${name}: ${rows.length - differing.length} of ${rows.length} agree`);
  for (const { label, expected, actual } of differing.slice(0, 40)) console.log(`  ${label}\n    Jinja2 ${JSON.stringify(expected)}\n    npm    ${JSON.stringify(actual)}`);
}

const { templates, cases, clock } = load("renderings.json.gz");
const SystemDate = Date;
globalThis.Date = class extends SystemDate {
  constructor(...time) {
    super(...(time.length > 0 ? time : [clock]));
  }
};
for (const name of Object.keys(templates)) {
  const rows = cases.filter((row) => row.template === name);
  report(name, rows.map((row, index) => ({
    label: `case ${index}`,
    expected: row.text,
    actual: render(templates[name], { messages: row.messages, ...row.variables }),
  })));
}
const small = load("cases.json.gz");
report("small cases", small.cases.map((row) => ({ label: row.source, expected: row.text, actual: render(row.source, small.variables) })));
