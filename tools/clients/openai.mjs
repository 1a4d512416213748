// Asks a server with the bundled model by OpenAI's client: see README.md.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2] ?? "http://localhost:8080/v1", apiKey: "none", maxRetries: 0 });
const asked = { model: "stories260K", messages: [{ role: "user", content: "Once upon a time" }], temperature: 0 };

const whole = await client.chat.completions.create({ ...asked, max_tokens: 6, n: 2, logprobs: true, top_logprobs: 1 });
assert.deepEqual(whole.choices.map((choice) => choice.message.content), [", there was a little g", ", there was a little g"]);
assert.equal(whole.choices[0].logprobs.content.length, 6);
assert.equal(whole.usage.total_tokens, 17);

const streamed = await client.chat.completions.stream({ ...asked, max_tokens: 6, stream_options: { include_usage: true } }).finalChatCompletion();
assert.equal(streamed.choices[0].message.content, ", there was a little g");
assert.equal(streamed.choices[0].finish_reason, "length");
assert.equal(streamed.usage.total_tokens, 11);

const banned = Object.fromEntries(Array.from({ length: 512 }, (_, token) => [token, -100]));
await assert.rejects(async () => {
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true, logit_bias: banned }))
        assert.fail(`a chunk in place of the error: ${JSON.stringify(chunk)}`);
}, { code: "invalid_value" });
await assert.rejects(() => client.chat.completions.create({ ...asked, model: "nope" }), { status: 404, code: "model_not_found" });

const leaving = new AbortController();
let chunks = 0;
for await (const chunk of await client.chat.completions.create({ ...asked, stream: true, ignore_eos: true }, { signal: leaving.signal })) {
    assert.equal(chunk.object, "chat.completion.chunk");
    if (++chunks === 5)
        leaving.abort();
}
assert.equal(chunks, 5);

const scored = await client.completions.create({ model: asked.model, prompt: "Once upon a time", echo: true, logprobs: 0, max_tokens: 1, temperature: 0 });
assert.equal(scored.choices[0].text, "Once upon a time,");
assert.equal(scored.choices[0].logprobs.token_logprobs[0], null);

assert.deepEqual((await client.models.list()).data.map((model) => model.id), ["stories260K"]);
assert.equal((await client.models.retrieve("stories260K")).id, "stories260K");
console.log("openai: all as expected");
