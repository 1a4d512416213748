using System.Net;
using System.Net.Sockets;
using Garnet;
using Kvasir.Server.Stores;
using Kvasir.Server.Test.Support;
using Kvasir.Tiers;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;

namespace Kvasir.Server.Test.Stores;

/// <summary>Prompts at a server of Redis' protocol: found by another process whole or not at all, and nobody waits long for a server that is not there.</summary>
public sealed class RedisPrefixStoreTest : IDisposable
{
    private readonly int _port = FreePort();
    private readonly FakeTimeProvider _clock = new();
    private GarnetServer? _garnet;

    private Uri Address => new($"redis://127.0.0.1:{_port}");

    public void Dispose() => _garnet?.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(null)]
    [InlineData("a secret")]
    public void WhatOneProcessHasWrittenAnotherFinds(string? secret)
    {
        Start();
        // Of less than a part, and of more than two.
        foreach (var chunk in new[] { Chunk(1, 1000), Chunk(2, 300_000) })
        {
            using (var one = Open(secret))
            {
                Assert.False(one.TryRead(chunk, new byte[chunk.Bytes]));
                Assert.False(one.IsKnown(chunk.Name));
                Assert.True(one.TryWrite(chunk, Rows(chunk)), one.Figures.Problem);
                Assert.True(one.IsKnown(chunk.Name));
            }

            using var other = Open(secret);
            var rows = new byte[chunk.Bytes];
            Assert.True(other.TryRead(chunk, rows));
            Assert.Equal(Rows(chunk), rows);
            Assert.False(other.TryRead(chunk with { Tokens = Chunk(3, 1000).Tokens }, new byte[chunk.Bytes]));
            Assert.Equal(1, other.Figures.Damaged);
            Assert.True(other.Figures.IsUp);
        }
    }

    [Fact]
    public void WhatSomebodyElseHasWrittenIsNotReadWhereThereIsASecret()
    {
        Start();
        var chunk = Chunk(1, 1000);
        using (var stranger = Open("another secret"))
            Assert.True(stranger.TryWrite(chunk, Rows(chunk)));
        using var own = Open("a secret");
        Assert.False(own.TryRead(chunk, new byte[chunk.Bytes]));
        using var none = Open(null);
        Assert.False(none.TryRead(chunk, new byte[chunk.Bytes]));
        Assert.Equal((1, 1), (own.Figures.Damaged, none.Figures.Damaged));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void RepliesThatAreWrongCutLongOrMissingAreMisses()
    {
        Start();
        var (chunk, other) = (Chunk(1, 300_000), Chunk(2, 300_000));
        using var store = Open(null);
        using var direct = ConnectionMultiplexer.Connect($"127.0.0.1:{_port}");
        var database = direct.GetDatabase();
        foreach (var part in new[] { "", ":0", ":1", ":2" })
        {
            foreach (var damage in new Func<byte[]?, byte[]?, byte[]?>[]
            {
                static (_, _) => null, static (_, _) => [], static (value, _) => value![..^1], static (value, _) => [.. value!, 1], static (_, other) => other,
                static (value, _) => [.. value![..50], (byte)(value[50] ^ 1), .. value[51..]],
            })
            {
                Assert.True(store.TryWrite(chunk, Rows(chunk)) && store.TryWrite(other, Rows(other)));
                var key = $"kvasir:1:{chunk.Name}{part}";
                if (damage(database.StringGet(key), database.StringGet($"kvasir:1:{other.Name}{part}")) is { } value)
                    database.StringSet(key, value);
                else
                    database.KeyDelete(key);
                Assert.False(store.TryRead(chunk, new byte[chunk.Bytes]), part);
                Assert.True(store.Figures.IsUp);
            }
        }

        Assert.True(store.TryRead(other, new byte[other.Bytes]));
    }

    [Fact]
    public void AServerThatIsGoneIsAskedThreeTimesAndThenAfterAPause()
    {
        Start();
        var chunk = Chunk(1, 1000);
        using var store = Open(null);
        Assert.True(store.TryWrite(chunk, Rows(chunk)));
        _garnet!.Dispose();
        _garnet = null;
        for (var i = 0; i < 3; i++)
        {
            Assert.True(store.MayHave(chunk.Name));
            Assert.False(store.TryRead(chunk, new byte[chunk.Bytes]));
        }

        Assert.False(store.MayHave(chunk.Name));
        Assert.Equal((false, 3L), (store.Figures.IsUp, store.Figures.ReadErrors));
        Assert.NotEqual("", store.Figures.Problem);
        Assert.False(store.TryWrite(chunk, Rows(chunk)));
        Assert.Equal(0, store.Figures.WriteErrors);
        // It is tried again behind ten seconds, and then behind twenty.
        _clock.Advance(TimeSpan.FromSeconds(11));
        Assert.True(store.MayHave(chunk.Name));
        Assert.False(store.TryRead(chunk, new byte[chunk.Bytes]));
        _clock.Advance(TimeSpan.FromSeconds(11));
        Assert.False(store.MayHave(chunk.Name));
        _clock.Advance(TimeSpan.FromSeconds(11));
        Assert.True(store.MayHave(chunk.Name));
    }

    // It takes connections and never answers.
    [Fact]
    public void AServerThatHangsIsNotWaitedFor()
    {
        using var listener = new TcpListener(IPAddress.Loopback, _port);
        listener.Start();
        var chunk = Chunk(1, 1000);
        using var store = Open(null, patienceMs: 200);
        var start = Environment.TickCount64;
        for (var i = 0; i < 3; i++)
            Assert.False(store.TryRead(chunk, new byte[chunk.Bytes]));
        Assert.False(store.MayHave(chunk.Name));
        Assert.InRange(Environment.TickCount64 - start, 0, 30_000);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void AWrongPasswordIsAServerThatDoesNotAnswer()
    {
        Start("--auth", "Password", "--password", "right");
        var chunk = Chunk(1, 1000);
        using (var right = Open(null, password: "right"))
            Assert.True(right.TryWrite(chunk, Rows(chunk)), right.Figures.Problem);
        using var wrong = Open(null, patienceMs: 500, password: "wrong");
        for (var i = 0; i < 3; i++)
            Assert.False(wrong.TryRead(chunk, new byte[chunk.Bytes]));
        Assert.Equal((false, 3L), (wrong.Figures.IsUp, wrong.Figures.ReadErrors));
    }

    // Whatever comes in the place of a reply: an error, a length that is none or far too large, no protocol at all, the end of the connection.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("-ERR out of order\r\n")]
    [InlineData("$2147483647\r\nabc")]
    [InlineData("$-7\r\n")]
    [InlineData("*99999999\r\n")]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n")]
    [InlineData("")]
    public void AServerThatSpeaksOtherwiseIsNotWaitedFor(string reply)
    {
        using var listener = new TcpListener(IPAddress.Loopback, _port);
        listener.Start();
        using var over = new CancellationTokenSource();
        var answering = new Thread(() => AnswerAlike(listener, System.Text.Encoding.ASCII.GetBytes(reply), over.Token)) { IsBackground = true };
        answering.Start();
        var (chunk, before) = (Chunk(1, 1000), GC.GetTotalMemory(forceFullCollection: true));
        using (var store = Open(null, patienceMs: 300))
        {
            var start = Environment.TickCount64;
            for (var i = 0; i < 3; i++)
                Assert.False(store.TryRead(chunk, new byte[chunk.Bytes]));
            Assert.False(store.MayHave(chunk.Name));
            Assert.InRange(Environment.TickCount64 - start, 0, 30_000);
            Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 64 << 20);
        }

        over.Cancel();
        listener.Stop();
        answering.Join();
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void OfTwoWhoWriteTheSameAReaderSeesAllOrNothing()
    {
        Start();
        var (found, isOver) = (0, false);
        using var reader = Open(null);
        PrefixChunk[] chunks = [Chunk(1, 300_000), Chunk(2, 300_000)];
        var reading = new Thread(() =>
        {
            var rows = new byte[chunks[0].Bytes];
            while (!Volatile.Read(ref isOver))
            {
                foreach (var chunk in chunks)
                {
                    if (reader.TryRead(chunk, rows) && ++found > 0)
                        Assert.Equal(Rows(chunk), rows);
                }
            }
        });
        reading.Start();
        Parallel.For(0, 2, _ =>
        {
            using var writer = Open(null);
            for (var i = 0; i < 12; i++)
                Assert.True(writer.TryWrite(chunks[i % 2], Rows(chunks[i % 2])), writer.Figures.Problem);
        });
        Volatile.Write(ref isOver, true);
        reading.Join();
        Assert.All(chunks, chunk => Assert.True(reader.TryRead(chunk, new byte[chunk.Bytes])));
        Assert.Equal((0L, 0L), (reader.Figures.Damaged, reader.Figures.ReadErrors));
        Assert.True(found > 0);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task AServerAnswersWithoutIt()
    {
        var request = $"{{\"prompt\":[{string.Join(',', Enumerable.Range(0, 700).Select(static i => 3 + (i * 7 % 400)))}],\"max_tokens\":8,\"temperature\":0,\"seed\":1,\"ignore_eos\":true}}";
        var engine = new EngineOptions { Threads = 1, ContextTokens = 2048, KvMemoryBytes = 16 << 20 };
        await using var alone = await RunningServer.StartAsync(options => options.UseEngine(engine));
        await using var server = await RunningServer.StartAsync(options =>
        {
            options.PrefixRedis = $"{Address}";
            options.UseEngine(engine);
        });
        for (var i = 0; i < 3; i++)
        {
            var text = request.Replace("[3,", $"[{3 + i},", StringComparison.Ordinal);
            Assert.Equal(await alone.BodyAsync("/v1/completions", text), await server.BodyAsync("/v1/completions", text));
        }

        await PrometheusSamples.UntilAsync(server, static samples =>
            samples.Sum("kvasir_kv_tier_up", ("tier", "remote")) == 0 && samples.Sum("kvasir_kv_tier_errors_total", ("tier", "remote")) > 0);
    }

    [Theory]
    [InlineData("http://localhost")]
    [InlineData("redis://user:password@localhost")]
    [InlineData("redis://localhost/x")]
    public void NoOtherAddressWillDo(string address) =>
        Assert.Equal(KvasirError.BadOption, Assert.Throws<KvasirException>(() => RedisPrefixStore.Open(new Uri(address))).Error);

    // A machine that is busy answers late, which is not what is asked here.
    private RedisPrefixStore Open(string? secret, int patienceMs = 20_000, string? password = null)
    {
        var settings = RedisPrefixStore.Settings(Address, null, password);
        (settings.ConnectTimeout, settings.AsyncTimeout) = (patienceMs, patienceMs);
        return new(settings, secret is null ? null : System.Text.Encoding.UTF8.GetBytes(secret), _clock) { Patience = TimeSpan.FromMilliseconds(patienceMs) };
    }

    // Whoever connects, until the listener is stopped.
    private static void AnswerAlike(TcpListener listener, byte[] reply, CancellationToken isOver)
    {
        while (!isOver.IsCancellationRequested)
        {
            try
            {
                using var client = listener.AcceptSocket();
                client.ReceiveTimeout = 1000;
                var asked = new byte[4096];
                while (reply.Length > 0 && client.Receive(asked) > 0)
                    client.Send(reply);
            }
            catch (Exception problem) when (problem is SocketException or ObjectDisposedException or InvalidOperationException)
            {
            }
        }
    }

    private void Start(params string[] more)
    {
        _garnet = new GarnetServer(["--bind", "127.0.0.1", "--port", $"{_port}", "--memory", "64m", "--page", "16m", "--index", "1m", "--no-obj", .. more]);
        _garnet.Start();
    }

    private static PrefixChunk Chunk(int number, int columnBytes) => new(
        new string((char)('0' + number), 64), new string('A', 64), new string('A', 64), Enumerable.Range(number * 1000, 256).ToArray(), columnBytes);

    private static byte[] Rows(PrefixChunk chunk)
    {
        var rows = new byte[chunk.Bytes];
        new Random(chunk.Tokens.Span[0]).NextBytes(rows);
        return rows;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
