using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Answers;

/// <summary>
/// Requests of any policy, form and sampling, side by side over HTTP, get the tokens that each gets alone from a server that has seen nothing else. Rows are kept
/// as they were computed: what a batch rounds in the seventh digit would be in the third of rows of 16 bits, and a draw at a border falls to the other side.
/// </summary>
public sealed class MixedRequestsTest
{
    /// <summary>How many mixes are asked, in place of one.</summary>
    private const string CountVariable = "KVASIR_MIXES";

    private const int MixSize = 12;
    private const int MostPromptCharacters = 400;
    private const double LogProbabilityTolerance = 1e-2;
    private const string Story = "Once upon a time, there was a little girl named Lily. She loved to play with her toys in the park. Tom had a big red ball and a dog. ";

    private static readonly string[] Policies =
    [
        "dense", "streaming:sinks=2,recent=9,min-context=0", "longformer:min-context=0", "sparse-transformer:min-context=0",
        "psa:block=4,group=2,coverage=0.6,sinks=3,recent=5,min-context=0", "psa:block=4,coverage=0.6,unit=layer,sinks=3,recent=5,min-context=0",
        "quest:sinks=3,recent=5,min-context=0", "topk:share=0.1,sinks=2,recent=4,min-context=0", "topp:sinks=2,recent=4,min-context=0",
        "magicpig:bits=4,tables=12,sinks=3,recent=5,dense-layers=none,min-context=0", "guarded:sinks=3,recent=5,min-context=0",
        "h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0", "alisa:ratio=0.4,observed=20,min-context=0",
    ];

    private static readonly string[] Schemas =
    [
        """{"type":"object","properties":{"kind":{"enum":["cat","dog"]},"age":{"type":"integer","minimum":1,"maximum":20}},"required":["kind","age"],"additionalProperties":false}""",
        """{"type":"array","items":{"type":"string","maxLength":9},"minItems":1,"maxItems":4}""",
        """{"type":"string","pattern":"^[a-z]{3,12}( [a-z]+)*$","maxLength":40}""",
        """{"anyOf":[{"type":"boolean"},{"type":"null"},{"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]}]}""",
    ];

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task EachOfAnyMixGetsTheTokensThatItGetsAlone()
    {
        var mixes = int.TryParse(Environment.GetEnvironmentVariable(CountVariable), out var asked) ? asked : 1;
        var first = Random.Shared.Next();
        using var stories = new MarkedStories();
        for (var mix = 0; mix < mixes; mix++)
        {
            var seed = first + mix;
            var requests = Enumerable.Range(0, MixSize).Select(i => Request.Draw(new Random(HashCode.Combine(seed, i)))).ToArray();
            await using var server = await StartAsync(stories);
            var together = await Task.WhenAll(requests.Select(request => AskAsync(server, request)));
            await server.AssertQuietAsync();
            // Nobody gave way: under a policy that chooses, what is computed again is computed densely.
            Assert.Equal(0, server.Engine.Figures.Preemptions);
            for (var i = 0; i < requests.Length; i++)
            {
                await using var fresh = await StartAsync(stories);
                AssertSame(await AskAsync(fresh, requests[i]), together[i], $"seed {seed}, request {i}: {requests[i].Path} {requests[i].Body}");
            }
        }
    }

    private static Task<RunningServer> StartAsync(MarkedStories stories) => stories.StartAsync(MarkedStories.Calls, static options => options.UseEngine(new EngineOptions
    {
        Attention = PolicyCatalog.Dense,
        Kv = KvFormat.F32,
        Threads = 1,
        ContextTokens = 512,
        KvMemoryBytes = 128 << 20,
        // So that some come while others are in the middle.
        MaxSequences = 9,
    }));

    private static async Task<Answer> AskAsync(RunningServer server, Request request)
    {
        var body = await server.BodyJsonAsync(request.Path, request.Body);
        return Answer.Read(body);
    }

    private static void AssertSame(Answer alone, Answer together, string place)
    {
        Assert.True(alone.Text == together.Text, $"{place}\nalone:    {alone.Text}\ntogether: {together.Text}");
        Assert.Equal(alone.LogProbabilities.Count, together.LogProbabilities.Count);
        for (var i = 0; i < alone.LogProbabilities.Count; i++)
            Assert.True(Math.Abs(alone.LogProbabilities[i] - together.LogProbabilities[i]) < LogProbabilityTolerance, $"{place}\nat {i}: {alone.LogProbabilities[i]} alone, {together.LogProbabilities[i]} together");
    }

    /// <summary>What was drawn: where it is sent, and its body.</summary>
    private sealed record Request(string Path, string Body)
    {
        public static Request Draw(Random random)
        {
            var isChat = random.Next(4) > 0;
            var body = new JsonObject
            {
                ["seed"] = random.Next(),
                ["max_tokens"] = random.Next(1, 60),
                ["stream"] = random.Next(2) == 0,
                ["kvasir"] = new JsonObject { ["attention"] = Policies[random.Next(Policies.Length)] },
                ["priority"] = random.Next(-2, 3),
            };
            AddSampling(body, random);
            var prompt = string.Concat(Enumerable.Repeat(Story, 4))[..random.Next(4, MostPromptCharacters)];
            if (!isChat)
            {
                body["prompt"] = prompt;
                return new Request("/v1/completions", body.ToJsonString());
            }

            body["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = prompt });
            AddForm(body, random);
            return new Request("/v1/chat/completions", body.ToJsonString());
        }

        private static void AddSampling(JsonObject body, Random random)
        {
            body["temperature"] = random.Next(3) == 0 ? 0 : Math.Round(random.NextDouble() * 1.5, 2);
            (string Name, JsonNode Value)[] others =
            [
                ("top_p", Math.Round(0.3 + (random.NextDouble() * 0.7), 2)), ("top_k", random.Next(1, 60)), ("min_p", Math.Round(random.NextDouble() * 0.2, 2)),
                ("repetition_penalty", Math.Round(1 + random.NextDouble(), 2)), ("presence_penalty", Math.Round(random.NextDouble(), 2)),
                ("frequency_penalty", Math.Round(random.NextDouble(), 2)), ("logit_bias", new JsonObject { [$"{random.Next(300, 500)}"] = random.Next(-5, 5) }),
                ("stop", new JsonArray("Tom", ". ")), ("n", random.Next(2, 4)), ("ignore_eos", true),
            ];
            foreach (var (name, value) in others)
            {
                if (random.Next(4) == 0)
                    body[name] = value;
            }
        }

        private static void AddForm(JsonObject body, Random random)
        {
            body["logprobs"] = random.Next(2) == 0;
            var schema = JsonNode.Parse(Schemas[random.Next(Schemas.Length)])!;
            switch (random.Next(4))
            {
                case 0:
                    body["response_format"] = new JsonObject { ["type"] = "json_object" };
                    break;
                case 1:
                    body["response_format"] = new JsonObject { ["type"] = "json_schema", ["json_schema"] = new JsonObject { ["name"] = "form", ["schema"] = schema } };
                    break;
                case 2:
                    body["tools"] = new JsonArray(new JsonObject
                    {
                        ["type"] = "function",
                        ["function"] = new JsonObject { ["name"] = "sun", ["parameters"] = new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["days"] = schema } } },
                    });
                    body["tool_choice"] = random.Next(2) == 0 ? "required" : "auto";
                    break;
            }
        }
    }

    /// <summary>What came: of each choice its text, its calls, its tokens and how it ended, in one text; and how likely its tokens were.</summary>
    private sealed record Answer(string Text, List<double> LogProbabilities)
    {
        public static Answer Read(string body)
        {
            var choices = new SortedDictionary<int, List<string>>();
            var likely = new SortedDictionary<int, List<double>>();
            var tokens = 0;
            var frames = body.StartsWith('{') ? [body] : body.Split('\n').Where(static line => line.StartsWith("data: {", StringComparison.Ordinal)).Select(static line => line[6..]);
            foreach (var frame in frames)
            {
                using var json = JsonDocument.Parse(frame);
                Assert.True(json.RootElement.TryGetProperty("choices", out var all), frame);
                if (json.RootElement.TryGetProperty("timings", out var timings))
                    tokens = timings.GetProperty("predicted_n").GetInt32();
                foreach (var choice in all.EnumerateArray())
                {
                    var index = choice.GetProperty("index").GetInt32();
                    choices.TryAdd(index, ["", "", "", ""]);
                    likely.TryAdd(index, []);
                    Add(choice, choices[index], likely[index]);
                }
            }

            Assert.NotEmpty(choices);
            return new Answer($"{tokens} tokens: {JsonSerializer.Serialize(choices.Values)}", [.. likely.Values.SelectMany(static values => values)]);
        }

        private static void Add(JsonElement choice, List<string> parts, List<double> likely)
        {
            var message = choice.TryGetProperty("delta", out var delta) ? delta : choice.TryGetProperty("message", out var whole) ? whole : choice;
            parts[0] += Word(message, "content") + Word(message, "text");
            if (message.TryGetProperty("tool_calls", out var calls))
            {
                foreach (var call in calls.EnumerateArray())
                    parts[1] += Word(call.GetProperty("function"), "name") + Word(call.GetProperty("function"), "arguments");
            }

            if (choice.TryGetProperty("logprobs", out var logprobs) && logprobs.ValueKind == JsonValueKind.Object && logprobs.TryGetProperty("content", out var content))
            {
                foreach (var token in content.EnumerateArray())
                {
                    parts[2] += $"{token.GetProperty("bytes")}";
                    likely.Add(token.GetProperty("logprob").GetDouble());
                }
            }

            parts[3] += Word(choice, "finish_reason");
        }

        private static string? Word(JsonElement from, string name) => from.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }
}
