// Has headless agents ask a server twice each, the second time in the same conversation, and prints what of the second prompt was cached: see README.md.
// Between them stands a proxy that has the model say one sentence, since the bundled one knows no end and calls nothing, and reads what each request used.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const server = new URL(process.argv[2] ?? "http://localhost:8080");
const wanted = process.argv.slice(3);
const model = "stories260K";
const questions = ["Tell me a story of a cat.", "And of a dog."];
const schema = { enum: ["A cat and a dog."] };
const limits = {
    "/chat/completions": (json) => Object.assign(json, json.tools && { tool_choice: "none" }, { response_format: { type: "json_schema", json_schema: { name: "sentence", schema } } }),
    "/responses": (json) => Object.assign(json, { tool_choice: "none", text: { format: { type: "json_schema", name: "sentence", schema } } }),
    "/messages": (json) => Object.assign(json, json.tools && { tool_choice: { type: "none" } }, { output_config: { format: { type: "json_schema", schema } } }),
};
let seen = [];

const proxy = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request)
        chunks.push(chunk);
    let body = Buffer.concat(chunks);
    const path = request.url.split("?")[0];
    const limit = Object.entries(limits).find(([end]) => path.endsWith(end))?.[1];
    if (limit && body.length > 0) {
        const json = JSON.parse(body);
        limit(json);
        body = Buffer.from(JSON.stringify(json));
    }
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !["host", "content-length", "connection", "accept-encoding", "transfer-encoding"].includes(name)));
    const answer = await fetch(new URL(request.url, server), { method: request.method, headers, body: body.length > 0 ? body : undefined });
    response.writeHead(answer.status, Object.fromEntries([...answer.headers].filter(([name]) => !["content-length", "transfer-encoding", "connection"].includes(name))));
    let text = "";
    for await (const chunk of answer.body ?? []) {
        text += Buffer.from(chunk).toString();
        response.write(chunk);
    }
    response.end();
    if (limit)
        seen.push({ path, status: answer.status, bytes: body.length, ...used(text), refusal: answer.status === 200 ? "" : text.slice(0, 200) });
});
await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
const base = `http://127.0.0.1:${proxy.address().port}`;

const last = (text, name) => Number([...text.matchAll(new RegExp(`"${name}":(\\d+)`, "g"))].at(-1)?.[1] ?? 0);
const used = (text) => text.includes("cache_read_input_tokens")
    ? { prompt: last(text, "input_tokens") + last(text, "cache_creation_input_tokens") + last(text, "cache_read_input_tokens"), cached: last(text, "cache_read_input_tokens") }
    : { prompt: last(text, "prompt_tokens") || last(text, "input_tokens"), cached: last(text, "cached_tokens") };

const home = mkdtempSync(join(tmpdir(), "kvasir-agents-"));
const write = (path, text) => {
    mkdirSync(join(home, path, ".."), { recursive: true });
    writeFileSync(join(home, path), text);
};
const bin = (name) => resolve("agents/node_modules/.bin", name);
const agents = {
    pi: {
        package: "@mariozechner/pi-coding-agent",
        prepare: () => write(".pi/agent/models.json", JSON.stringify({ providers: { kvasir: { baseUrl: `${base}/v1`, api: "openai-completions", apiKey: "none", models: [{ id: model, name: model, contextWindow: 200000, maxTokens: 4096 }] } } })),
        turns: [["pi", "-p", "--provider", "kvasir", "--model", model], ["pi", "-p", "-c", "--provider", "kvasir", "--model", model]],
    },
    qwen: {
        package: "@qwen-code/qwen-code",
        environment: { OPENAI_BASE_URL: `${base}/v1`, OPENAI_API_KEY: "none", OPENAI_MODEL: model },
        turns: [["qwen", "--auth-type", "openai", "-p"], ["qwen", "--auth-type", "openai", "--continue", "-p"]],
    },
    opencode: {
        package: "opencode-ai",
        prepare: () => write("work/opencode.json", JSON.stringify({ provider: { kvasir: { npm: "@ai-sdk/openai-compatible", options: { baseURL: `${base}/v1`, apiKey: "none" }, models: { [model]: { limit: { context: 200000, output: 4096 } } } } } })),
        turns: [["opencode", "run", "-m", `kvasir/${model}`], ["opencode", "run", "-c", "-m", `kvasir/${model}`]],
    },
    codex: {
        package: "@openai/codex",
        prepare: () => write(".codex/config.toml", `model = "${model}"\nmodel_provider = "kvasir"\n[model_providers.kvasir]\nname = "kvasir"\nbase_url = "${base}/v1"\nwire_api = "responses"\n`),
        turns: [["codex", "exec", "--skip-git-repo-check"], ["codex", "exec", "resume", "--last", "--skip-git-repo-check"]],
    },
    claude: {
        package: "@anthropic-ai/claude-code",
        environment: { ANTHROPIC_BASE_URL: base, ANTHROPIC_AUTH_TOKEN: "none", ANTHROPIC_MODEL: model, ANTHROPIC_SMALL_FAST_MODEL: model, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_AUTOUPDATER: "1" },
        turns: [["claude", "-p"], ["claude", "-p", "-c"]],
    },
};

function run([name, ...words], question, environment) {
    return new Promise((done) => {
        const child = spawn(bin(name), [...words, question], { cwd: join(home, "work"), env: { PATH: process.env.PATH, HOME: home, TERM: "dumb", ...environment }, stdio: ["ignore", "pipe", "pipe"] });
        let text = "", errors = "";
        child.stdout.on("data", (chunk) => (text += chunk));
        child.stderr.on("data", (chunk) => (errors += chunk));
        const late = setTimeout(() => child.kill("SIGKILL"), 240_000);
        child.on("error", (problem) => done({ text: "", errors: `${problem}`, code: -1 }));
        child.on("close", (code) => (clearTimeout(late), done({ text: text.trim(), errors: errors.trim(), code })));
    });
}

mkdirSync(join(home, "work"), { recursive: true });
console.log("| agent | version | turn | requests | body bytes | prompt tokens | cached | text shown |\n|---|---|---|---:|---:|---:|---:|---|");
let failed = 0;
for (const [name, agent] of Object.entries(agents)) {
    if (wanted.length > 0 && !wanted.includes(name))
        continue;
    agent.prepare?.();
    const version = JSON.parse(readFileSync(resolve("agents/node_modules", agent.package, "package.json"))).version;
    for (const [turn, words] of agent.turns.entries()) {
        seen = [];
        const result = await run(words, questions[turn], agent.environment);
        // An agent asks for a title beside its turn: that is the smaller one.
        const main = seen.toSorted((x, y) => y.prompt - x.prompt)[0];
        const isShown = result.code === 0 && result.text.length > 0;
        failed += isShown && main ? 0 : 1;
        console.log(`| ${name} | ${version} | ${turn + 1} | ${seen.length} | ${main?.bytes ?? ""} | ${main?.prompt ?? ""} | ${main?.cached ?? ""} | ${isShown ? "yes" : `no: exit ${result.code}`} |`);
        if (!isShown)
            console.error(`${name}: ${result.errors.slice(-600)}\n${seen.map((item) => `${item.path} ${item.status} ${item.refusal}`).join("\n")}`);
    }
}
proxy.close();
rmSync(home, { recursive: true, force: true });
process.exitCode = failed > 0 ? 1 : 0;
