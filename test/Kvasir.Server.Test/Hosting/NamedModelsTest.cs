using System.Net;
using System.Text.Json;
using Kvasir.Models;
using Kvasir.Server.Hosting;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Kvasir.Server.Test.Hosting;

/// <summary>Several models that a server is started with.</summary>
public sealed class NamedModelsTest : IDisposable
{
    private const long KvBytes = 64 << 20;
    private readonly ManyModels _models = new("one", "two");

    public void Dispose() => _models.Dispose();

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AllAreLoadedAtTheStartShareMemoryAndThreadsAndStay()
    {
        var clock = new FakeTimeProvider();
        await using var server = await StartAsync(clock);
        Assert.Equal("one loaded, two loaded", await ManyModels.StatusAsync(server));
        var served = server.Services.GetRequiredService<ServedModels>().InMemory;
        Assert.Equal(KvBytes, served[0].Engine.Plan.KvMemoryBytes + served[0].Engine.Plan.ScratchBytes);
        Assert.Same(served[0].Settings.Memory, served[1].Settings.Memory);
        Assert.Same(served[0].Settings.Workers, served[1].Settings.Workers);
        await ManyModels.AskAsync(server, "one");
        await ManyModels.AskAsync(server, "two:latest");
        clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal("one loaded, two loaded", await ManyModels.StatusAsync(server));
        using var ps = JsonDocument.Parse(await server.Client.GetStringAsync(new Uri("/api/ps", UriKind.Relative)));
        Assert.All(ps.RootElement.GetProperty("models").EnumerateArray(),
            static model => Assert.Equal(2318, model.GetProperty("expires_at").GetDateTimeOffset().Year));
    }

    [Theory]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}]")]
    [InlineData("/v1/responses", "\"input\":\"Once\"")]
    [InlineData("/v1/messages", "\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}],\"max_tokens\":1")]
    [InlineData("/api/chat", "\"messages\":[{\"role\":\"user\",\"content\":\"Once\"}]")]
    [InlineData("/tokenize", "\"content\":\"Once\"")]
    public async Task ARequestThatNamesNoneIsToldWhichThereAreInEveryDialect(string path, string body)
    {
        await using var server = await StartAsync();
        using var none = await server.PostAsync(path, $"{{{body}}}");
        Assert.Equal(HttpStatusCode.BadRequest, none.StatusCode);
        Assert.Contains("model is missing; there are one, two", await none.Content.ReadAsStringAsync());
        using var unknown = await server.PostAsync(path, $"{{\"model\":\"three\",{body}}}");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.Contains("there is no model 'three' here; there are one, two", await unknown.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task OneThatWasNamedIsMeantWhereNoneIsWhateverAFolderHas()
    {
        await using var server = await _models.StartAsync(configure: options => options.Model = Path.Combine(_models.Folder, "two.gguf"));
        Assert.Equal("two loaded, one unloaded", await ManyModels.StatusAsync(server));
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", "{\"prompt\":\"Once\",\"max_tokens\":1}"));
        Assert.Equal("two", answer.RootElement.GetProperty("model").GetString());
    }

    [Fact]
    public async Task AFileThatWasNamedIsNotFoundInTheFolderOnceMoreUnderItsOwnName()
    {
        await using var server = await _models.StartAsync(configure: options => (options.Model, options.ModelId) = (Path.Combine(_models.Folder, "two.gguf"), "mine"));
        Assert.Equal("mine loaded, one unloaded", await ManyModels.StatusAsync(server));
    }

    [Fact]
    public async Task WhatIsCalledAsOneThatWasNamedIsRefusedAtTheStartAndLeftOutLater()
    {
        using var others = new ManyModels("two", "three");
        var (named, hidden) = (Path.Combine(_models.Folder, "two.gguf"), Path.Combine(others.Folder, "two.gguf"));
        var clash = $"{named} and {hidden} would both be called two: models that are served together differ in name";
        Assert.Equal(clash, (await Assert.ThrowsAsync<KvasirException>(() => others.StartAsync(configure: options => options.Model = named))).Message);
        File.Delete(hidden);
        await using var server = await others.StartAsync(configure: options => options.Model = named);
        others.Add("two", "four");
        Assert.Equal([clash], server.Services.GetRequiredService<KvasirStart>().ReloadModels());
        Assert.Equal("two loaded, three unloaded, four unloaded", await ManyModels.StatusAsync(server));
    }

    [Fact]
    public async Task AFileAndAFolderOfOneNameAreRefusedAtTheStartAndTheSecondIsLeftOutLater()
    {
        using var others = new ManyModels("two");
        var (file, folder) = (Path.Combine(others.Folder, "two.gguf"), Path.Combine(others.Folder, "two"));
        await using var server = await others.StartAsync();
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "config.json"), "{}");
        var clash = $"{file} and {folder} would both be called two: models that are served together differ in name";
        Assert.Equal([clash], server.Services.GetRequiredService<KvasirStart>().ReloadModels());
        Assert.Equal("two unloaded", await ManyModels.StatusAsync(server));
        var refusal = (await Assert.ThrowsAsync<KvasirException>(() => others.StartAsync())).Message;
        Assert.Equal($"{folder} and {file} would both be called two: models that are served together differ in name", refusal);
    }

    [Fact]
    public async Task AModelUnloadedByHandComesWhenSomebodyAsks()
    {
        await using var server = await StartAsync();
        (await server.PostAsync("/kvasir/models/unload", "{\"model\":\"one\"}")).Dispose();
        Assert.Equal("one unloaded, two loaded", await ManyModels.StatusAsync(server));
        await ManyModels.AskAsync(server, "one");
        Assert.Equal("one loaded, two loaded", await ManyModels.StatusAsync(server));
    }

    [Fact]
    public async Task TheHostsOwnCodeNamesOneOfThem()
    {
        await using var server = await StartAsync();
        var client = server.Services.GetRequiredService<IChatClient>();
        var answer = await client.GetResponseAsync("Once upon a time", new ChatOptions { ModelId = "two", MaxOutputTokens = 3, Temperature = 0 });
        Assert.StartsWith(", there", answer.Text, StringComparison.Ordinal);
        var samples = await PrometheusSamples.ScrapeAsync(server);
        Assert.Equal((0, true), (samples.Sum("kvasir_steps_total", ("model", "one")), samples.Sum("kvasir_steps_total", ("model", "two")) > 0));
        Assert.Contains("there are one, two", (await Assert.ThrowsAnyAsync<Exception>(() => client.GetResponseAsync("Once"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatIsNotEnoughForAllIsOneErrorWithBothNumbers()
    {
        Assert.True(BundledModels.TryFind("stories260K", out var path));
        var bytes = new FileInfo(path).Length;
        var memory = KvBytes + (bytes * 3 / 2);
        var refusal = await Assert.ThrowsAsync<KvasirException>(() => StartAsync(configure: options => options.MemoryBytes = memory));
        Assert.Equal($"one and two take {2 * bytes} bytes and their KV cache {KvBytes}, in all {(2 * bytes) + KvBytes}; {memory} are there for models", refusal.Message);
        await using var server = await StartAsync(configure: options => (options.MemoryBytes, _) = (memory, options.MoreModels.Remove(options.MoreModels[0])));
        Assert.Equal("one loaded", await ManyModels.StatusAsync(server));
    }

    [Fact]
    public async Task WithoutASizeTheKvCacheTakesHalfOfWhatModelsLeave()
    {
        await using var server = await StartAsync(configure: static options => (options.MemoryBytes, options.KvMemoryBytes) = (40 << 20, 0));
        var weights = new DirectoryInfo(_models.Folder).EnumerateFiles().Sum(static file => file.Length);
        Assert.Equal(((40 << 20) - weights) / 2, server.Services.GetRequiredService<ModelLoader>().KvBytes);
    }

    [Fact]
    public async Task TheSameModelTwiceAndTwoFilesOfOneNameEndTheStart()
    {
        var twice = await Assert.ThrowsAsync<KvasirException>(() => StartAsync(
            configure: options => options.MoreModels.Add(Path.Combine(_models.Folder, "..", Path.GetFileName(_models.Folder), "one.gguf"))));
        Assert.EndsWith("one.gguf is named twice", twice.Message, StringComparison.Ordinal);
        using var others = new ManyModels("two");
        var other = Path.Combine(others.Folder, "two.gguf");
        var alike = await Assert.ThrowsAsync<KvasirException>(() => StartAsync(configure: options => options.MoreModels.Add(other)));
        Assert.Equal(
            $"{Path.Combine(_models.Folder, "two.gguf")} and {other} would both be called two: models that are served together differ in name", alike.Message);
        var renamed = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(configure: static options => options.ModelId = "mine"));
        Assert.Contains("ModelId is 'mine', and 2 models are named", renamed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhileModelsLoadReadyAndSlotsSayHowFarTheyAreAndWhoWaits()
    {
        var release = new TaskCompletionSource();
        await using var server = await StartAsync(
            configure: options =>
            {
                options.Model = "one";
                options.UseModel(settings =>
                {
                    settings.Progress!(0.5);
                    // Where the test fails the server is to end all the same.
                    release.Task.Wait(TimeSpan.FromSeconds(20));
                    return Model.Load("stories260K", settings);
                });
            },
            waits: false);
        Assert.Equal("{\"status\":\"loading\",\"progress\":0.25,\"waiting\":0}", $"{await UntilAsync(server, "/ready", static json => json.GetProperty("progress").GetDouble() > 0)}");
        using var asked = new RawConnection(server.Address);
        const string Body = "{\"model\":\"one\",\"prompt\":\"Once\",\"max_tokens\":1}";
        await asked.SendAsync($"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nx-request-id: mine\r\nContent-Length: {Body.Length}\r\n\r\n{Body}");
        var slot = (await UntilAsync(server, "/slots", static json => json.GetArrayLength() > 0))[0];
        Assert.Equal(("mine", "one", "loading", "model", 0.5), (slot.GetProperty("request_id").GetString(), slot.GetProperty("model").GetString(),
            slot.GetProperty("state").GetString(), slot.GetProperty("waits_for").GetString(), slot.GetProperty("progress").GetDouble()));
        Assert.Equal("{\"status\":\"loading\",\"progress\":0.25,\"waiting\":1}", (await JsonAsync(server, "/ready")).ToString());
        var listed = (await JsonAsync(server, "/v1/models")).GetProperty("data")[0].GetProperty("meta");
        Assert.Equal((0.5, 1), (listed.GetProperty("progress").GetDouble(), listed.GetProperty("waiting").GetInt32()));
        release.SetResult();
        Assert.True(await asked.ReadUntilAsync("\"finish_reason\":\"length\""));
        await server.Services.GetRequiredService<KvasirStart>().Loaded;
        Assert.Equal("{\"status\":\"ok\"}", (await JsonAsync(server, "/ready")).ToString());
        Assert.Equal("one loaded, two loaded", await ManyModels.StatusAsync(server));
    }

    private static Task<JsonElement> UntilAsync(RunningServer server, string path, Predicate<JsonElement> isSo) =>
        Soon.SeenAsync(() => JsonAsync(server, path), isSo, json => $"{path} is {json}");

    private static async Task<JsonElement> JsonAsync(RunningServer server, string path)
    {
        using var answer = await server.Client.GetAsync(new Uri(path, UriKind.Relative));
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
    }

    private Task<RunningServer> StartAsync(TimeProvider? clock = null, Action<KvasirOptions>? configure = null, bool waits = true) => RunningServer.StartAsync(
        options =>
        {
            (options.Model, options.KvMemoryBytes) = (Path.Combine(_models.Folder, "one.gguf"), KvBytes);
            options.MoreModels.Add(Path.Combine(_models.Folder, "two.gguf"));
            configure?.Invoke(options);
        },
        clock, waits);
}
