// Asks a server with the bundled model and calls.jinja, started with --embeddings, by the AI SDK: see README.md.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateObject, generateText, jsonSchema, streamText, tool } from "ai";

globalThis.AI_SDK_LOG_WARNINGS = false;
const baseURL = process.argv[2] ?? "http://localhost:8080/v1";
const provider = createOpenAICompatible({ name: "kvasir", baseURL, includeUsage: true, supportsStructuredOutputs: true });
const model = provider("stories260K");
const asked = { model, prompt: "Once upon a time", temperature: 0, maxOutputTokens: 24, maxRetries: 0 };

const whole = await generateText(asked);
assert.equal(whole.finishReason, "length");
assert.equal(whole.usage.outputTokens, 24);
const stream = streamText(asked);
let text = "";
for await (const part of stream.textStream)
    text += part;
assert.equal(text, whole.text);
assert.equal((await stream.usage).outputTokens, 24);

const sun = tool({
    description: "shines",
    inputSchema: jsonSchema({ type: "object", properties: { days: { enum: [3] } }, required: ["days"], additionalProperties: false }),
    execute: async ({ days }) => `${days} sunny days`,
});
const called = await generateText({ ...asked, maxOutputTokens: 200, tools: { sun }, toolChoice: { type: "tool", toolName: "sun" } });
assert.deepEqual(called.toolCalls.map((call) => [call.toolName, call.input]), [["sun", { days: 3 }]]);
assert.equal(called.toolResults[0].output, "3 sunny days");
const streamedCall = streamText({ ...asked, maxOutputTokens: 200, tools: { sun }, toolChoice: "required" });
await streamedCall.consumeStream();
assert.ok((await streamedCall.toolCalls).every((call) => call.input.days === 3));

const held = await generateObject({
    ...asked, maxOutputTokens: 200, temperature: 1, seed: 3,
    schema: jsonSchema({ type: "object", properties: { kind: { enum: ["cat", "dog"] } }, required: ["kind"], additionalProperties: false }),
});
assert.ok(["cat", "dog"].includes(held.object.kind));
const vectors = await embedMany({ model: provider.textEmbeddingModel("stories260K"), values: ["a cat", "a dog"] });
assert.deepEqual(vectors.embeddings.map((vector) => vector.length), [64, 64]);

const leaving = new AbortController();
let parts = 0;
const left = streamText({ ...asked, maxOutputTokens: 8000, abortSignal: leaving.signal });
for await (const part of left.textStream) {
    assert.ok(part.length > 0);
    if (++parts === 3)
        leaving.abort();
}
assert.ok(parts >= 3);

// What is overloaded once is asked again.
let visits = 0;
const busy = createServer(async (request, response) => {
    const body = [];
    for await (const chunk of request)
        body.push(chunk);
    if (++visits === 1)
        return response.writeHead(503, { "retry-after": "1", "content-type": "application/json" }).end('{"error":{"message":"the queue is full","type":"server_error","param":null,"code":"overloaded"}}');
    const answer = await fetch(new URL(request.url, baseURL), { method: "POST", headers: { "content-type": "application/json" }, body: Buffer.concat(body) });
    response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
}).listen(0, "127.0.0.1");
await new Promise((resolve) => busy.once("listening", resolve));
const retried = createOpenAICompatible({ name: "kvasir", baseURL: `http://127.0.0.1:${busy.address().port}/v1` })("stories260K");
assert.equal((await generateText({ ...asked, model: retried, maxRetries: 2 })).text, whole.text);
assert.equal(visits, 2);
busy.close();
console.log("ai: all as expected");
