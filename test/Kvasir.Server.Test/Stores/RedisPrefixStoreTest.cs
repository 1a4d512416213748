using System.Net;
using System.Net.Sockets;
using Garnet;
using Kvasir.Server.Stores;
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

    [Theory]
    [InlineData("http://localhost")]
    [InlineData("redis://user:password@localhost")]
    [InlineData("redis://localhost/x")]
    public void NoOtherAddressWillDo(string address) =>
        Assert.Equal(KvasirError.BadOption, Assert.Throws<KvasirException>(() => RedisPrefixStore.Open(new Uri(address))).Error);

    // A machine that is busy answers late, which is not what is asked here.
    private RedisPrefixStore Open(string? secret, int patienceMs = 20_000)
    {
        var settings = RedisPrefixStore.Settings(Address, null, null);
        (settings.ConnectTimeout, settings.AsyncTimeout) = (patienceMs, patienceMs);
        return new(settings, secret is null ? null : System.Text.Encoding.UTF8.GetBytes(secret), _clock) { Patience = TimeSpan.FromMilliseconds(patienceMs) };
    }

    private void Start()
    {
        _garnet = new GarnetServer(["--bind", "127.0.0.1", "--port", $"{_port}", "--memory", "64m", "--page", "16m", "--index", "1m", "--no-obj"]);
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
