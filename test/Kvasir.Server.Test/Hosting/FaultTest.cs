using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Kvasir.Cache;
using Kvasir.Server.Hosting;
using Kvasir.Server.Test.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Kvasir.Server.Test.Hosting;

/// <summary>What becomes of a server in which a step failed, whose fault nobody can say.</summary>
public sealed class FaultTest
{
    private const string Long = "{\"prompt\":\"Once upon a time, there was a little girl named Lily. She loved to play with her toys in the park with Tom and his big red ball and dog.\",\"max_tokens\":20,\"temperature\":0,\"ignore_eos\":true}";

    [Fact]
    public async Task OneFaultEndsThoseInTheStepAndAllElseGoesOn()
    {
        await using var server = await RunningServer.StartAsync();
        var first = await TextAsync(server);
        Assert.True(server.Engine.Prefixes.Tokens > 0);
        await FailAsync(server);
        await server.UntilAsync(static engine => engine.Prefixes.Tokens == 0);
        Assert.Equal(first, await TextAsync(server));
        using var health = await server.Client.GetAsync(new Uri("/health", UriKind.Relative));
        Assert.Equal((HttpStatusCode.OK, false), (health.StatusCode, server.Services.GetRequiredService<KvasirStart>().Failed.IsCompleted));
        await server.AssertQuietAsync();
    }

    [Fact]
    public async Task WhereTheCacheDoesNotBalanceAnotherEngineIsMade()
    {
        await using var server = await RunningServer.StartAsync();
        var (first, broken) = (await TextAsync(server), server.Engine);
        await FailAsync(server, static pool => ReturnAny(pool));
        var models = server.Services.GetRequiredService<ServedModels>();
        models.Tend();
        // Who asks meanwhile waits for it.
        Assert.Equal(first, await TextAsync(server));
        Assert.NotSame(broken, server.Engine);
        using var health = await server.UntilStatusAsync("/health", HttpStatusCode.OK);
        Assert.Equal(1, models.Totals.Single().Totals.StepFaults);
        await server.AssertQuietAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ThreeFaultsWithinAMinuteAreSaidWhicheverEngineHadThem(bool breaks)
    {
        await using var server = await RunningServer.StartAsync();
        var (models, start) = (server.Services.GetRequiredService<ServedModels>(), server.Services.GetRequiredService<KvasirStart>());
        for (var fault = 0; fault < 3; fault++)
        {
            Assert.False(start.Failed.IsCompleted);
            await FailAsync(server, breaks && fault < 2 ? static pool => ReturnAny(pool) : null);
            models.Tend();
            await models.LoadAsync(models.Known[0]);
        }

        models.Tend();
        Assert.Equal("stories260K", await start.Failed.WaitAsync(TimeSpan.FromSeconds(30)));
        using var health = await server.Client.GetAsync(new Uri("/health", UriKind.Relative));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "{\"status\":\"failing\"}"), (health.StatusCode, await health.Content.ReadAsStringAsync()));
    }

    private static async Task<string> TextAsync(RunningServer server)
    {
        using var json = JsonDocument.Parse(await server.BodyJsonAsync("/v1/completions", Long));
        return json.RootElement.GetProperty("choices")[0].GetProperty("text").GetString()!;
    }

    // A request that meets a fault of the work that all share.
    private static async Task FailAsync(RunningServer server, Action<PagePool>? damage = null)
    {
        var known = server.Services.GetRequiredService<ServedModels>().Known[0];
        var served = known.Served;
        using (var use = server.Engine.Use())
        {
            var (pass, pool) = (use.Pass, use.Pass.Cache.Pool);
            pass.Capture = (_, _, _) =>
            {
                pass.Capture = null;
                damage?.Invoke(pool);
                throw new InvalidTimeZoneException("a secret of the engine");
            };
        }

        using var failed = await server.PostAsync("/v1/completions", Long);
        var text = await failed.Content.ReadAsStringAsync();
        Assert.Equal(HttpStatusCode.InternalServerError, failed.StatusCode);
        Assert.Contains("\"code\":\"engine_failed\"", text);
        Assert.DoesNotContain("secret", text);
        // Answers end before the cache is looked at.
        await Soon.SoAsync(() => damage is null || known.Served != served || known.IsBroken, static () => "the engine is not broken");
    }

    private static void ReturnAny(PagePool pool)
    {
        for (var page = 0; ; page++)
        {
            try
            {
                pool.Return(page);
                return;
            }
            catch (UnreachableException)
            {
                // Nobody's.
            }
        }
    }
}
