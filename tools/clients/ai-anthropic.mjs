// Asks a server with the bundled model and calls.jinja by the AI SDK's client of Anthropic's API: see README.md.
import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { generateText, jsonSchema, streamText, tool } from "ai";

globalThis.AI_SDK_LOG_WARNINGS = false;
const baseURL = `${process.argv[2] ?? "http://localhost:8080"}/v1`;
const model = createAnthropic({ baseURL, apiKey: "none" })("stories260K");
const asked = { model, prompt: "Once upon a time", temperature: 0, maxOutputTokens: 24, maxRetries: 0 };

const whole = await generateText(asked);
assert.deepEqual([whole.finishReason, whole.usage.outputTokens], ["length", 24]);
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
const forced = { ...asked, maxOutputTokens: 200, tools: { sun }, toolChoice: { type: "tool", toolName: "sun" } };
const called = await generateText(forced);
assert.deepEqual(called.toolCalls.map((call) => [call.toolName, call.input]), [["sun", { days: 3 }]]);
assert.equal(called.toolResults[0].output, "3 sunny days");
const streamed = streamText(forced);
await streamed.consumeStream();
assert.deepEqual((await streamed.toolCalls).map((call) => call.input), [{ days: 3 }]);
await assert.rejects(generateText({ ...asked, model: createAnthropic({ baseURL, apiKey: "none" })("nope") }), /there is no model 'nope'/);
console.log("ai-anthropic: all as expected");
