// Asks a server with the bundled model and calls.jinja, started with --embeddings, for responses and embeddings by OpenAI's client: see README.md.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2] ?? "http://localhost:8080/v1", apiKey: "none", maxRetries: 0 });
const asked = { model: "stories260K", input: "Once upon a time", temperature: 0, max_output_tokens: 24 };

const whole = await client.responses.create(asked);
assert.equal(whole.status, "incomplete");
assert.ok(whole.output_text.length > 20);
const streamed = await client.responses.stream(asked).finalResponse();
assert.equal(streamed.output_text, whole.output_text);
assert.equal(streamed.usage.output_tokens, 24);

const tools = [{ type: "function", name: "sun", strict: true, parameters: { type: "object", properties: { days: { enum: [3] } }, required: ["days"], additionalProperties: false } }];
const called = await client.responses.stream({ ...asked, max_output_tokens: 200, tools, tool_choice: { type: "function", name: "sun" } }).finalResponse();
const call = called.output.find((item) => item.type === "function_call");
assert.deepEqual([called.status, call.name, JSON.parse(call.arguments)], ["completed", "sun", { days: 3 }]);
const after = await client.responses.create({ ...asked, tools, input: [{ role: "user", content: asked.input }, ...called.output, { type: "function_call_output", call_id: call.call_id, output: "3 sunny days" }] });
assert.ok(after.output.length > 0);
await assert.rejects(() => client.responses.create({ ...asked, previous_response_id: whole.id }), { status: 400 });

// It asks for base64 when nobody says what.
const vector = (await client.embeddings.create({ model: asked.model, input: "a cat" })).data[0].embedding;
assert.equal(vector.length, 64);
const numbers = (await client.embeddings.create({ model: asked.model, input: "a cat", encoding_format: "float" })).data[0].embedding;
assert.ok(vector.every((value, i) => Math.abs(value - numbers[i]) < 1e-6));
console.log("responses: all as expected");
