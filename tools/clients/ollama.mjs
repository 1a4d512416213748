// Asks a server with the bundled model and calls.jinja, started with --embeddings, by Ollama's client: see README.md.
import assert from "node:assert/strict";
import { Ollama } from "ollama";

const host = process.argv[2] ?? "http://localhost:8080";
const client = new Ollama({ host });
const messages = [{ role: "user", content: "Once upon a time" }];
const options = { temperature: 0, num_predict: 24 };
const model = "stories260K";

assert.deepEqual((await client.list()).models.map((item) => item.name), [model]);
assert.ok((await client.show({ model })).capabilities.includes("tools"));
assert.equal((await client.ps()).models.length, 1);
assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);

const whole = await client.chat({ model, messages, options });
assert.equal(whole.done_reason, "length");
let text = "";
for await (const part of await client.chat({ model, messages, options, stream: true }))
    text += part.message.content;
assert.equal(text, whole.message.content);
text = "";
let last;
for await (const part of await client.generate({ model, prompt: "Once upon a time", raw: true, options, stream: true }))
    text += (last = part).response;
assert.equal(last.eval_count, 24);
assert.ok(text.length > 20);

const schema = { type: "object", properties: { kind: { enum: ["cat", "dog"] } }, required: ["kind"], additionalProperties: false };
const held = await client.chat({ model, messages, format: schema, options: { temperature: 1, seed: 3 } });
assert.ok(["cat", "dog"].includes(JSON.parse(held.message.content).kind));
const tool = { type: "function", function: { name: "sun", parameters: { type: "object", properties: { days: { enum: [3] } }, required: ["days"], additionalProperties: false } } };
const called = await client.chat({ model, messages, tools: [tool], tool_choice: "required", parallel_tool_calls: false, options: { temperature: 1, seed: 3 } });
assert.deepEqual(called.message.tool_calls.map((call) => [call.function.name, call.function.arguments]), [["sun", { days: 3 }]]);
const after = await client.chat({ model, messages: [...messages, called.message, { role: "tool", tool_name: "sun", content: "3 sunny days" }], tools: [tool], options });
assert.equal(after.message.role, "assistant");

const vectors = (await client.embed({ model, input: ["a cat", "a dog"] })).embeddings;
assert.deepEqual(vectors.map((vector) => vector.length), [64, 64]);
assert.equal((await client.embeddings({ model, prompt: "a cat" })).embedding.length, 64);
await assert.rejects(() => client.chat({ model: "nope", messages }), { status_code: 404 });

const stream = await client.chat({ model, messages, options: { num_predict: 8000 }, stream: true });
let parts = 0;
await assert.rejects(async () => {
    for await (const part of stream) {
        assert.equal(part.model, model);
        if (++parts === 5)
            stream.abort();
    }
});
assert.equal(parts, 5);
console.log("ollama: all as expected");
