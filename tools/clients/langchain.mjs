// Asks a server with the bundled model and calls.jinja by LangChain's clients of OpenAI's and Ollama's APIs: see README.md.
import assert from "node:assert/strict";
import { tool } from "@langchain/core/tools";
import { ChatOllama, OllamaEmbeddings } from "@langchain/ollama";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";

const address = process.argv[2] ?? "http://localhost:8080";
const openai = (more) => new ChatOpenAI({
    model: "stories260K", apiKey: "none", temperature: 0, maxTokens: 24, maxRetries: 0, configuration: { baseURL: `${address}/v1` }, ...more,
});
const ollama = (more) => new ChatOllama({ model: "stories260K", baseUrl: address, temperature: 0, numPredict: 24, maxRetries: 0, ...more });
const sun = tool(({ days }) => `${days} sunny days`, { name: "sun", description: "shines", schema: z.object({ days: z.literal(3) }) });
const kind = z.object({ kind: z.enum(["cat", "dog"]) });

const texts = [];
for (const make of [openai, ollama]) {
    const whole = await make().invoke("Once upon a time");
    assert.equal(whole.usage_metadata.output_tokens, 24);
    let text = "";
    let counted = 0;
    for await (const chunk of await make({ streamUsage: true }).stream("Once upon a time")) {
        text += chunk.content;
        counted = Math.max(counted, chunk.usage_metadata?.output_tokens ?? 0);
    }

    assert.equal(text, whole.content);
    assert.equal(counted, 24);
    texts.push(text);
}

assert.equal(texts[0], texts[1]);

const called = await openai({ maxTokens: 200 }).bindTools([sun], { tool_choice: "sun" }).invoke("Once upon a time");
assert.deepEqual(called.tool_calls.map((call) => [call.name, call.args]), [["sun", { days: 3 }]]);
assert.equal((await sun.invoke(called.tool_calls[0])).content, "3 sunny days");
let pieces;
for await (const chunk of await openai({ maxTokens: 200 }).bindTools([sun], { tool_choice: "sun" }).stream("Once upon a time"))
    pieces = pieces === undefined ? chunk : pieces.concat(chunk);
assert.deepEqual(pieces.tool_calls.map((call) => [call.name, call.args]), [["sun", { days: 3 }]]);

for (const model of [openai({ maxTokens: 200 }).withStructuredOutput(kind, { method: "jsonSchema" }), ollama({ numPredict: 200 }).withStructuredOutput(kind, { method: "jsonSchema" })])
    assert.ok(["cat", "dog"].includes((await model.invoke("Once upon a time")).kind));

const vectors = await new OpenAIEmbeddings({ model: "stories260K", apiKey: "none", configuration: { baseURL: `${address}/v1` } }).embedDocuments(["a cat", "a dog"]);
assert.deepEqual(vectors.map((vector) => vector.length), [64, 64]);
const other = await new OllamaEmbeddings({ model: "stories260K", baseUrl: address }).embedQuery("a cat");
assert.ok(other.every((value, i) => Math.abs(value - vectors[0][i]) < 1e-5));
await assert.rejects(openai({ model: "nope" }).invoke("a"), /there is no model 'nope'/);
console.log("langchain: all as expected");
