using System.Net;
using System.Text.Json;
using Kvasir.Models;
using Kvasir.Server.Hosting;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace Kvasir.Server.Test.Hosting;

/// <summary>Several models of a folder under one memory budget: loaded on demand, shared, let go.</summary>
public sealed class SeveralModelsTest : IDisposable
{
    private readonly ManyModels _models = new("one", "two", "three");

    public void Dispose() => _models.Dispose();

    [Fact]
    public async Task AModelIsLoadedWhenSomebodyNamesItAndAllAreListed()
    {
        await using var server = await _models.StartAsync();
        Assert.Equal("one unloaded, three unloaded, two unloaded", await ManyModels.StatusAsync(server));
        await ManyModels.AskAsync(server, "two");
        await ManyModels.AskAsync(server, "one:latest");
        Assert.Equal("one loaded, three unloaded, two loaded", await ManyModels.StatusAsync(server));
        using var ps = JsonDocument.Parse(await server.Client.GetStringAsync(new Uri("/api/ps", UriKind.Relative)));
        Assert.Equal(["one", "two"], ps.RootElement.GetProperty("models").EnumerateArray().Select(static model => model.GetProperty("name").GetString())
            .Order());
        var samples = await PrometheusSamples.ScrapeAsync(server);
        Assert.Equal(2, samples.Sum("kvasir_model_loads_total", ("outcome", "loaded")));
    }

    [Fact]
    public async Task AServerWithNothingInMemoryIsNotFull()
    {
        await using var server = await _models.StartAsync();
        Assert.Equal("[]", await server.Client.GetStringAsync(new Uri("/slots?fail_on_no_slot=1", UriKind.Relative)));
    }

    [Fact]
    public async Task WhoNamesNoneOrOneThatIsNotThereIsToldWhichThereAre()
    {
        await using var server = await _models.StartAsync();
        using var none = await server.PostAsync("/v1/completions", "{\"prompt\":\"Once\"}");
        Assert.Equal(HttpStatusCode.BadRequest, none.StatusCode);
        Assert.Contains("model is missing; there are one, three, two", await none.Content.ReadAsStringAsync());
        foreach (var name in new[] { "four", "../one", "/etc/passwd", "one.gguf", "..\\\\one", "one\\u0000" })
        {
            using var refused = await server.PostAsync("/v1/completions", $"{{\"model\":\"{name}\",\"prompt\":\"Once\"}}");
            Assert.Equal((HttpStatusCode.NotFound, name), (refused.StatusCode, name));
        }
    }

    [Fact]
    public async Task AModelThatComesIntoTheFolderIsFoundFiveSecondsLater()
    {
        var clock = new FakeTimeProvider();
        await using var server = await _models.StartAsync(clock);
        _models.Add("four");
        using (var tooSoon = await server.PostAsync("/v1/completions", "{\"model\":\"four\",\"prompt\":\"Once\"}"))
            Assert.Equal(HttpStatusCode.NotFound, tooSoon.StatusCode);
        clock.Advance(TimeSpan.FromSeconds(5));
        await ManyModels.AskAsync(server, "four");
    }

    [Fact]
    public async Task AModelLeavesFiveMinutesBehindItsLastRequestAndItsCountsStay()
    {
        var clock = new FakeTimeProvider();
        await using var server = await _models.StartAsync(clock);
        await ManyModels.AskAsync(server, "one");
        await ManyModels.UntilLeftAsync(server, "one");
        var before = await PrometheusSamples.ScrapeAsync(server);
        clock.Advance(TimeSpan.FromSeconds(299));
        Assert.Contains("one loaded", await ManyModels.StatusAsync(server), StringComparison.Ordinal);
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Contains("one unloaded", await ManyModels.StatusAsync(server), StringComparison.Ordinal);
        var gone = await PrometheusSamples.ScrapeAsync(server);
        Assert.Equal(before.Sum("kvasir_steps_total", ("model", "one")), gone.Sum("kvasir_steps_total", ("model", "one")));
        await ManyModels.AskAsync(server, "one");
        var again = await PrometheusSamples.ScrapeAsync(server);
        Assert.True(again.Sum("kvasir_steps_total", ("model", "one")) > before.Sum("kvasir_steps_total", ("model", "one")));
        Assert.Equal(2, again.Sum("kvasir_model_loads_total"));
    }

    [Fact]
    public async Task AClientThatLeavesWhileItsModelLoadsDoesNotEndTheLoad()
    {
        await using var server = await _models.StartAsync();
        var models = server.Services.GetRequiredService<ServedModels>();
        await models.LoadTurn.WaitAsync();
        using (var impatient = new RawConnection(server.Address))
        {
            await impatient.PostAsync("/v1/completions", "{\"model\":\"one\",\"prompt\":\"Once\"}");
            await Soon.SoAsync(() => models.Named("one").Users > 0, static () => "nobody waits for the model");
        }

        await ManyModels.UntilLeftAsync(server, "one");
        Assert.Contains("one loading", await ManyModels.StatusAsync(server), StringComparison.Ordinal);
        var (second, third) = (ManyModels.AskAsync(server, "one"), ManyModels.AskAsync(server, "one"));
        models.LoadTurn.Release();
        await Task.WhenAll(second, third);
        Assert.Equal(1, (await PrometheusSamples.ScrapeAsync(server)).Sum("kvasir_model_loads_total"));
    }

    [Fact]
    public async Task AnotherContextLoadsNothingAnewAndHoldsUpNobody()
    {
        await using var server = await _models.StartAsync();
        var all = Enumerable.Range(1, 8).Select(i => server.PostAsync(
            "/api/generate",
                $"{{\"model\":\"one\",\"stream\":false,\"raw\":true,\"prompt\":\"Once\",\"options\":{{\"num_ctx\":{i * 50},\"num_predict\":20}}}}"));
        Assert.All(await Task.WhenAll(all), static answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
        Assert.Equal(1, (await PrometheusSamples.ScrapeAsync(server)).Sum("kvasir_model_loads_total"));
    }

    [Fact]
    public async Task WhereMemoryIsShortTheOneThatWasLeftLongestAgoGoesAndOneInUseStays()
    {
        Assert.True(BundledModels.TryFind("stories260K", out var path));
        // Room for two beside the KV memory.
        await using var server = await _models.StartAsync(null, (64 << 20) + (new FileInfo(path).Length * 5 / 2));
        await ManyModels.AskAsync(server, "one");
        await ManyModels.AskAsync(server, "two");
        await ManyModels.AskAsync(server, "three");
        Assert.Equal("one unloaded, three loaded, two loaded", await ManyModels.StatusAsync(server));
        using var using2 = new RawConnection(server.Address);
        await using2.PostAsync("/v1/completions", Endless("two"));
        Assert.True(await using2.ReadUntilAsync("\"text\":"));
        using var using3 = new RawConnection(server.Address);
        await using3.PostAsync("/v1/completions", Endless("three"));
        Assert.True(await using3.ReadUntilAsync("\"text\":"));
        using var refused = await server.PostAsync("/v1/completions", "{\"model\":\"one\",\"prompt\":\"Once\"}");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Contains("are free beside models in use", await refused.Content.ReadAsStringAsync());
        Assert.NotNull(refused.Headers.RetryAfter);
    }

    [Fact]
    public async Task LoadAndUnloadAreRoutesAndNoRequestLosesItsModel()
    {
        await using var server = await _models.StartAsync();
        using (var load = await server.PostAsync("/kvasir/models/load", "{\"model\":\"two\"}"))
            Assert.Contains("\"status\":\"loaded\"", await load.Content.ReadAsStringAsync());
        using (var stream = new RawConnection(server.Address))
        {
            await stream.PostAsync("/v1/completions", Endless("two"));
            Assert.True(await stream.ReadUntilAsync("\"text\":"));
            using var refused = await server.PostAsync("/kvasir/models/unload", "{\"model\":\"two\"}");
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        }

        await ManyModels.UntilLeftAsync(server, "two");
        using var unload = await server.PostAsync("/kvasir/models/unload", "{\"model\":\"two\"}");
        Assert.Contains("\"status\":\"unloaded\"", await unload.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task AModelThatCannotBeLoadedIsTriedAgainAfterHalfAMinute()
    {
        var clock = new FakeTimeProvider();
        await File.WriteAllTextAsync(Path.Combine(_models.Folder, "bad.gguf"), "no model");
        await using var server = await _models.StartAsync(clock);
        for (var i = 0; i < 3; i++)
        {
            using var refused = await server.PostAsync("/v1/completions", "{\"model\":\"bad\",\"prompt\":\"Once\"}");
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.DoesNotContain(_models.Folder, await refused.Content.ReadAsStringAsync());
        }

        Assert.Contains("bad failed", await ManyModels.StatusAsync(server), StringComparison.Ordinal);
        Assert.Equal(1, (await PrometheusSamples.ScrapeAsync(server)).Sum("kvasir_model_loads_total", ("outcome", "failed")));
        clock.Advance(TimeSpan.FromSeconds(30));
        (await server.PostAsync("/v1/completions", "{\"model\":\"bad\",\"prompt\":\"Once\"}")).Dispose();
        Assert.Equal(2, (await PrometheusSamples.ScrapeAsync(server)).Sum("kvasir_model_loads_total", ("outcome", "failed")));
    }

    [Fact]
    public async Task AnAliasIsAnotherNameOfAModelAndAnswersHaveTheModelsOwn()
    {
        await using var server = await _models.StartAsync(configure: static options => options.Aliases.Add("gpt-4o", "two"));
        using var answer = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", "{\"model\":\"gpt-4o:latest\",\"prompt\":\"Once\",\"max_tokens\":1}"));
        Assert.Equal("two", answer.RootElement.GetProperty("model").GetString());
        using var model = JsonDocument.Parse(await server.Client.GetStringAsync(new Uri("/v1/models/gpt-4o", UriKind.Relative)));
        Assert.Equal("two", model.RootElement.GetProperty("id").GetString());
        Assert.Equal(["gpt-4o"], model.RootElement.GetProperty("meta").GetProperty("aliases").EnumerateArray().Select(static name => name.GetString()));
    }

    [Theory]
    [InlineData("gpt-4o", "four", "the alias gpt-4o is of four, and there is no such model; there are one, three, two")]
    [InlineData("two", "one", "the alias two of one is the name of another model")]
    public async Task AnAliasOfNoModelAndOneThatIsAModelsNameEndTheStart(string alias, string id, string words)
    {
        var refusal = await Assert.ThrowsAsync<KvasirException>(() => _models.StartAsync(configure: options => options.Aliases.Add(alias, id)));
        Assert.Equal(words, refusal.Message);
    }

    [Fact]
    public async Task ModelsThatAreNotInMemoryAreListedWithWhatClientsOfOllamaRead()
    {
        await using var server = await _models.StartAsync();
        using var tags = JsonDocument.Parse(await server.Client.GetStringAsync(new Uri("/api/tags", UriKind.Relative)));
        Assert.All(tags.RootElement.GetProperty("models").EnumerateArray(), static model =>
        {
            Assert.True(model.GetProperty("modified_at").GetDateTimeOffset() > DateTimeOffset.UnixEpoch);
            Assert.Equal(JsonValueKind.Array, model.GetProperty("details").GetProperty("families").ValueKind);
            Assert.Equal("[\"completion\"]", model.GetProperty("capabilities").GetRawText());
        });
        // An older name of the field. All that is told of a model is known when it is there.
        using var shown = JsonDocument.Parse(await server.BodyJsonAsync("/api/show", "{\"name\":\"two\"}"));
        Assert.NotEqual("", shown.RootElement.GetProperty("details").GetProperty("family").GetString());
        Assert.Equal("one unloaded, three unloaded, two loaded", await ManyModels.StatusAsync(server));
        using var unknown = await server.PostAsync("/api/show", "{\"name\":\"nope\"}");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task AWarmModelLeavesNothingBehind()
    {
        await using var server = await RunningServer.StartAsync(static options => options.Warms = true);
        Assert.True(server.Engine.Figures.PromptRows > 500);
        Assert.Equal(0, server.Engine.Prefixes.Tokens);
        await server.AssertQuietAsync();
    }

    private static string Endless(string model) =>
        $"{{\"model\":\"{model}\",\"prompt\":\"Once\",\"ignore_eos\":true,\"stream\":true,\"max_tokens\":-1,\"priority\":0}}";
}
