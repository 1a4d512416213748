// Asks a server with the bundled model and calls.jinja by Anthropic's client: see README.md.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: process.argv[2] ?? "http://localhost:8080", apiKey: "none", maxRetries: 0 });
const asked = { model: "stories260K", messages: [{ role: "user", content: "Once upon a time" }], temperature: 0, max_tokens: 24 };
const sun = { name: "sun", description: "shines", input_schema: { type: "object", properties: { days: { enum: [3] } }, required: ["days"], additionalProperties: false } };

const whole = await client.messages.create(asked);
assert.equal(whole.stop_reason, "max_tokens");
assert.equal(whole.usage.output_tokens, 24);
const streamed = await client.messages.stream(asked).finalMessage();
assert.deepEqual(streamed.content, whole.content);
assert.equal(streamed.usage.output_tokens, 24);
assert.ok((await client.messages.countTokens({ model: asked.model, messages: asked.messages })).input_tokens > 4);

for (const ask of [(request) => client.messages.create(request), (request) => client.messages.stream(request).finalMessage()]) {
    const messages = [{ role: "user", content: "How many?" }];
    const called = await ask({ ...asked, messages, max_tokens: 200, tools: [sun], tool_choice: { type: "tool", name: "sun" } });
    assert.equal(called.stop_reason, "tool_use");
    const block = called.content.find((item) => item.type === "tool_use");
    assert.deepEqual([block.name, block.input], ["sun", { days: 3 }]);
    messages.push({ role: "assistant", content: called.content }, { role: "user", content: [{ type: "tool_result", tool_use_id: block.id, content: "3 sunny days" }] });
    const after = await ask({ ...asked, messages, tools: [sun] });
    assert.equal(after.role, "assistant");
    assert.ok(after.usage.cache_read_input_tokens >= 0);
}

const schema = { type: "object", properties: { kind: { enum: ["cat", "dog"] } }, required: ["kind"], additionalProperties: false };
const held = await client.messages.create({ ...asked, max_tokens: 200, output_config: { format: { type: "json_schema", schema } } });
assert.ok(["cat", "dog"].includes(JSON.parse(held.content[0].text).kind));

await assert.rejects(() => client.messages.create({ ...asked, model: "nope" }), { status: 404 });
await assert.rejects(() => client.messages.create({ ...asked, messages: [] }), { status: 400 });

const stream = client.messages.stream({ ...asked, max_tokens: 8000 });
let events = 0;
await assert.rejects(async () => {
    for await (const event of stream) {
        assert.ok(event.type);
        if (++events === 6)
            stream.abort();
    }
});
assert.equal(events, 6);
console.log("anthropic: all as expected");
