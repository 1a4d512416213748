using System.Buffers.Binary;
using System.ClientModel;
using System.Text.Json;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using OllamaSharp;
using OllamaSharp.Models;
using OpenAI;
using OpenAI.Embeddings;

namespace Kvasir.Server.Test.Embeddings;

/// <summary>Texts as vectors, whoever asks.</summary>
public sealed class EmbeddingsTest
{
    private const int Width = 64;
    private const string Text = "Once upon a time there was a little girl";

    [Fact]
    public async Task EveryClientGetsTheSameVectorInItsFullLength()
    {
        await using var server = await StartAsync();
        var vector = Numbers(Vectors(await server.BodyJsonAsync("/v1/embeddings", $"{{\"input\":\"{Text}\"}}"))[0]);
        Assert.Equal(Width, vector.Length);
        Assert.Equal(1, Math.Sqrt(vector.Sum(static value => (double)value * value)), 1e-5);
        var bytes = Convert.FromBase64String(Vectors(await server.BodyJsonAsync("/embeddings", $"{{\"input\":[\"{Text}\"],\"encoding_format\":\"base64\"}}"))[0].GetString()!);
        Assert.Equal(vector, Enumerable.Range(0, bytes.Length / 4).Select(i => BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(4 * i))));
        // It asks for base64 when its user says nothing.
        var openai = new EmbeddingClient("stories260K", new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(server.Address, "/v1") });
        Assert.Equal(vector, (await openai.GenerateEmbeddingAsync(Text)).Value.ToFloats().ToArray());
        using var ollama = new OllamaApiClient(server.Address, "stories260K");
        Assert.Equal(vector, Assert.Single((await ollama.EmbedAsync(new EmbedRequest { Model = "stories260K", Input = [Text] })).Embeddings));
        using var older = JsonDocument.Parse(await server.BodyJsonAsync("/api/embeddings", $"{{\"prompt\":\"{Text}\"}}"));
        Assert.Equal(vector, Numbers(older.RootElement.GetProperty("embedding")));
        var own = server.Services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        Assert.Equal(vector, (await own.GenerateVectorAsync(Text)).ToArray());
        await server.AssertQuietAsync();
    }

    // Products of several rows add up in another order than those of one: what shares a step may differ in its last bits, and what does not is the same.
    [Fact]
    public async Task ATextsVectorDependsOnWhatSharesItsStepByRoundingAlone()
    {
        await using var server = await StartAsync();
        var alone = Numbers(Vectors(await server.BodyJsonAsync("/v1/embeddings", "{\"input\":\"a dog\"}"))[0]);
        Assert.Equal(alone, Numbers(Vectors(await server.BodyJsonAsync("/v1/embeddings", "{\"input\":[\"a dog\"]}"))[0]));
        using var held = await HeldEngine.HoldAsync(server);
        var together = server.BodyJsonAsync("/v1/embeddings", "{\"input\":[\"a cat\",\"a dog\"]}");
        await server.UntilAsync(static engine => engine.WaitingCount == 2);
        held.Release();
        var vector = Numbers(Vectors(await together)[1]);
        var most = alone.Zip(vector, static (x, y) => Math.Abs(x - y)).Max();
        Assert.True(most < 1e-6f, $"{most}");
    }

    // More than a queue takes at once.
    [Fact]
    public async Task ManyTextsAreAnsweredInTheirOrderAndAsIfAlone()
    {
        await using var server = await StartAsync(static options => (options.MaxQueue, options.MaxSequences) = (20, 4));
        var texts = Enumerable.Range(0, 150).Select(static i => $"{Text} {i}").ToList();
        var body = await server.BodyJsonAsync("/v1/embeddings", JsonSerializer.Serialize(new { input = texts }));
        var vectors = Vectors(body).Select(Numbers).ToList();
        Assert.Equal(texts.Count, vectors.Count);
        foreach (var i in (int[])[0, 77, 149])
        {
            var alone = Numbers(Vectors(await server.BodyJsonAsync("/v1/embeddings", JsonSerializer.Serialize(new { input = texts[i] })))[0]);
            Assert.True(alone.Zip(vectors[i], static (x, y) => Math.Abs(x - y)).Max() < 1e-5, texts[i]);
        }

        Assert.True(vectors[0].Zip(vectors[149], static (x, y) => Math.Abs(x - y)).Max() > 1e-3);
        using var json = JsonDocument.Parse(body);
        using var counted = JsonDocument.Parse(await server.BodyJsonAsync("/tokenize", JsonSerializer.Serialize(new { content = texts[0], add_special = true })));
        Assert.InRange(json.RootElement.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), 150 * counted.RootElement.GetProperty("tokens").GetArrayLength(), 150 * 40);
    }

    [Fact]
    public async Task TokensAreEmbeddedAsTheirTextIs()
    {
        await using var server = await StartAsync();
        using var tokens = JsonDocument.Parse(await server.BodyJsonAsync("/tokenize", $"{{\"content\":\"{Text}\",\"add_special\":true}}"));
        var given = tokens.RootElement.GetProperty("tokens").GetRawText();
        var expected = Vectors(await server.BodyJsonAsync("/v1/embeddings", $"{{\"input\":\"{Text}\"}}"))[0].GetRawText();
        Assert.Equal(expected, Vectors(await server.BodyJsonAsync("/v1/embeddings", $"{{\"input\":{given}}}"))[0].GetRawText());
        Assert.Equal(expected, Vectors(await server.BodyJsonAsync("/v1/embeddings", $"{{\"input\":[{given}]}}"))[0].GetRawText());
    }

    [Theory]
    [InlineData("{}", "input is missing")]
    [InlineData("{\"input\":\"\"}", "empty text")]
    [InlineData("{\"input\":[\"a\",\"\"]}", "input[1] is an empty text")]
    [InlineData("{\"input\":[]}", "input is empty")]
    [InlineData("{\"input\":[512]}", "input[0] is 512")]
    [InlineData("{\"input\":\"a\",\"dimensions\":32}", "dimensions is 32; embeddings of stories260K have 64")]
    [InlineData("{\"input\":\"a\",\"encoding_format\":\"int8\"}", "encoding_format is 'int8'")]
    public async Task WhatCannotBeEmbeddedIsRefused(string body, string words)
    {
        await using var server = await StartAsync();
        using var response = await server.PostAsync("/v1/embeddings", body);
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains(words, await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task ATextThatIsTooLongIsRefusedAndCutOnlyWhereThatIsAskedFor()
    {
        await using var server = await StartAsync();
        var text = string.Concat(Enumerable.Repeat("Once ", 600));
        Assert.Contains("maximum context length is 512", await server.BodyJsonAsync("/v1/embeddings", $"{{\"input\":\"{text}\"}}"));
        // Nothing is answered behind it.
        Assert.Matches("by (\\d+) tokens: it has \\d+ of 512\"", await server.BodyJsonAsync("/api/embed", $"{{\"input\":\"{text}\"}}"));
        using var cut = JsonDocument.Parse(await server.BodyJsonAsync("/api/embed", $"{{\"input\":\"{text}\",\"truncate\":true}}"));
        Assert.Equal((512, Width), (cut.RootElement.GetProperty("prompt_eval_count").GetInt32(), cut.RootElement.GetProperty("embeddings")[0].GetArrayLength()));
    }

    [Fact]
    public async Task AServerThatWasNotToldToEmbedsNothing()
    {
        await using var server = await RunningServer.StartAsync();
        using var response = await server.PostAsync("/v1/embeddings", "{\"input\":\"a\"}");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("--embeddings", await response.Content.ReadAsStringAsync());
    }

    private static Task<RunningServer> StartAsync(Action<KvasirOptions>? configure = null) => RunningServer.StartAsync(options =>
    {
        options.Embeddings = true;
        configure?.Invoke(options);
    });

    private static List<JsonElement> Vectors(string body) =>
        [.. JsonDocument.Parse(body).RootElement.GetProperty("data").EnumerateArray().Select(static item => item.GetProperty("embedding"))];

    private static float[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(static value => value.GetSingle())];
}
