using System.Globalization;
using System.Net;
using System.Text.Json;
using Kvasir.Server.Test.Support;

namespace Kvasir.Server.Test.Hosting;

/// <summary>
/// Many requests of all kinds, of which many are given up, badly read or refused: nothing is lost, and nothing stays behind. It looks at the memory of the whole
/// process, so nothing else runs beside it.
/// </summary>
[Collection(nameof(SoakTest))]
[CollectionDefinition(nameof(SoakTest), DisableParallelization = true)]
public sealed class SoakTest
{
    /// <summary>How many are sent, in place of the usual.</summary>
    private const string CountVariable = "KVASIR_SOAK_REQUESTS";

    private const int UsualCount = 1200;
    private const int Quarters = 4;
    private const int ClientCount = 14;

    // What a collection of garbage leaves now and then, beside the share that is allowed.
    private const long SlackBytes = 12 << 20;

    private static readonly string[] Policies = ["dense", "psa:min-context=0,coverage=0.5", "streaming:recent=32,min-context=0", "quest:min-context=0", "h2o:min-context=0"];

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task NothingIsLostAndNothingStaysBehind()
    {
        var count = int.TryParse(Environment.GetEnvironmentVariable(CountVariable), NumberStyles.None, CultureInfo.InvariantCulture, out var asked) ? asked : UsualCount;
        var seed = Random.Shared.Next();
        await using var server = await RunningServer.StartAsync(static options =>
        {
            options.UseEngine(new EngineOptions
            {
                Attention = Kvasir.Attention.Policies.PolicyCatalog.Dense,
                Threads = 1,
                MaxSequences = 8,
                KvMemoryBytes = 3 << 20,
                Queue = new QueueLimits { Sequences = 12 },
            });
            options.WriteTimeoutSeconds = 1;
        });
        var tally = new Tally();
        List<long> resident = [];
        for (var quarter = 0; quarter < Quarters; quarter++)
        {
            var (next, first) = (0, quarter * (count / Quarters));
            await Task.WhenAll(Enumerable.Range(0, ClientCount).Select(async _ =>
            {
                while (Interlocked.Increment(ref next) is var number && number <= count / Quarters)
                    await SendAsync(server, new Random(HashCode.Combine(seed, first + number)), tally, $"seed {seed}, number {first + number}");
            }));
            await server.AssertQuietAsync();
            resident.Add(Resident());
        }

        var said = $"{tally}, seed {seed}, resident {string.Join(", ", resident.Select(static bytes => $"{bytes >> 20} MiB"))}";
        TestContext.Current.SendDiagnosticMessage(said);
        // All kinds came to pass, or nothing was shown.
        Assert.True(tally is { Whole: > 0, Streamed: > 0, Left: > 0, Refused: > 0, Full: > 0, Stalled: > 0 }, said);
        Assert.True(resident[^1] <= (resident[1] * 1.03) + SlackBytes, said);
    }

    private static async Task SendAsync(RunningServer server, Random random, Tally tally, string place)
    {
        switch (random.Next(10))
        {
            case 0 or 1 or 2:
                await WholeAsync(server, random, tally, place);
                break;
            case 3 or 4 or 5:
                await StreamAsync(server, random, tally, place);
                break;
            case 6 or 7:
                await LeaveAsync(server, random, tally);
                break;
            case 8:
                await RefusedAsync(server, random, tally, place);
                break;
            default:
                await StallAsync(server, random, tally);
                break;
        }
    }

    private static async Task WholeAsync(RunningServer server, Random random, Tally tally, string place)
    {
        using var response = await server.PostAsync("/v1/completions", Body(random, streams: false));
        var text = await response.Content.ReadAsStringAsync();
        if (IsFull(response, tally, $"{place}: {text}"))
            return;
        using var json = JsonDocument.Parse(text);
        Assert.All(json.RootElement.GetProperty("choices").EnumerateArray(), choice => Assert.True(choice.GetProperty("finish_reason").GetString() is "stop" or "length", place));
        Interlocked.Increment(ref tally.Whole);
    }

    private static async Task StreamAsync(RunningServer server, Random random, Tally tally, string place)
    {
        using var response = await server.PostAsync("/v1/completions", Body(random, streams: true), HttpCompletionOption.ResponseHeadersRead);
        var text = await response.Content.ReadAsStringAsync();
        if (IsFull(response, tally, $"{place}: {text}"))
            return;
        Assert.True(text.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal) && !text.Contains("\"error\"", StringComparison.Ordinal), $"{place}: {text}");
        Interlocked.Increment(ref tally.Streamed);
    }

    // Some go before their headers have come, some in the middle of the answer.
    private static async Task LeaveAsync(RunningServer server, Random random, Tally tally)
    {
        using var leaving = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = new StringContent(Body(random, streams: random.Next(3) > 0)) };
        try
        {
            if (random.Next(2) == 0)
                leaving.CancelAfter(random.Next(1, 30));
            using var response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, leaving.Token);
            await using var stream = await response.Content.ReadAsStreamAsync(leaving.Token);
            await stream.ReadExactlyAsync(new byte[random.Next(1, 400)], leaving.Token);
        }
        catch (Exception problem) when (problem is OperationCanceledException or EndOfStreamException or HttpRequestException or IOException)
        {
            Interlocked.Increment(ref tally.Left);
            return;
        }

        Interlocked.Increment(ref tally.Left);
    }

    private static async Task RefusedAsync(RunningServer server, Random random, Tally tally, string place)
    {
        string[] bodies =
        [
            "{", "[]", "{}", "{\"prompt\":7}", "{\"prompt\":\"a\",\"max_tokens\":-5}", "{\"prompt\":\"a\",\"temperature\":\"hot\"}", $"{{\"prompt\":\"{new string('a', 5000)}\"}}",
            "{\"prompt\":\"a\",\"kvasir\":{\"attention\":\"nothing\"}}", "{\"prompt\":[[1,99999]]}",
        ];
        using var response = await server.PostAsync("/v1/completions", bodies[random.Next(bodies.Length)]);
        Assert.True(response.StatusCode == HttpStatusCode.BadRequest, $"{place}: {await response.Content.ReadAsStringAsync()}");
        Interlocked.Increment(ref tally.Refused);
    }

    // Asks for more than its window takes, and reads a little of it; the server sees to the end.
    private static async Task StallAsync(RunningServer server, Random random, Tally tally)
    {
        using var connection = new RawConnection(server.Address, receiveBytes: 4 << 10);
        await connection.PostAsync("/v1/completions", $"{{\"prompt\":\"{Words(random)}\",\"max_tokens\":200,\"n\":4,\"ignore_eos\":true,\"stream\":true,\"logprobs\":5}}");
        Assert.True(await connection.ReadUntilAsync("\r\n\r\n"));
        if (connection.Received.StartsWith("HTTP/1.1 503", StringComparison.Ordinal))
        {
            Interlocked.Increment(ref tally.Full);
            return;
        }

        await connection.ReadUntilAsync("data:");
        Interlocked.Increment(ref tally.Stalled);
    }

    private static bool IsFull(HttpResponseMessage response, Tally tally, string said)
    {
        if (response.StatusCode == HttpStatusCode.OK)
            return false;
        Assert.True(response.StatusCode == HttpStatusCode.ServiceUnavailable, said);
        Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Interlocked.Increment(ref tally.Full);
        return true;
    }

    private static string Body(Random random, bool streams) =>
        $"{{\"prompt\":\"{Words(random)}\",\"max_tokens\":{random.Next(1, 60)},\"seed\":{random.Next()},\"n\":{random.Next(1, 3)},\"stream\":{(streams ? "true" : "false")},\"kvasir\":{{\"attention\":\"{Policies[random.Next(Policies.Length)]}\"}}}}";

    // Some begin alike, and find one another's rows.
    private static string Words(Random random) => $"{(random.Next(2) == 0 ? "Once upon a time there was a little girl who had a big red ball and a small dog. " : "")}{string.Concat(Enumerable.Range(0, random.Next(1, 40)).Select(_ => $"word{random.Next(100)} "))}";

    private static long Resident()
    {
        for (var i = 0; i < 2; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return Environment.WorkingSet;
    }

    private sealed class Tally
    {
        public int Whole;
        public int Streamed;
        public int Left;
        public int Refused;
        public int Full;
        public int Stalled;

        public override string ToString() => $"{Whole} whole, {Streamed} streamed, {Left} left, {Refused} refused, {Full} found the queue full, {Stalled} stalled";
    }
}
