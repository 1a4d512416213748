using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using System.Security.Cryptography;
using Kvasir.Tiers;
using StackExchange.Redis;

namespace Kvasir.Server.Stores;

/// <summary>
/// Beginnings of prompts at a server of Redis' protocol, for all processes that ask there. A chunk is cut into parts of a megabyte, each with its name and a
/// sum of its own, and what it is stands in a manifest that is written last and read first: who reads it gets all of it or nothing. A server that is slow or
/// gone costs a while three times, and then nothing until it is tried again.
/// </summary>
public sealed class RedisPrefixStore : IPrefixStore
{
    private const int PartBytes = 1 << 20;
    private const int NameBytes = 32;
    private const int HeadBytes = NameBytes + sizeof(int);
    private const int MostKnown = 1 << 16;
    private const double SlowBytesPerMs = 100_000;
    private static readonly TimeSpan ConnectTime = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(24);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, long> _known = new(StringComparer.Ordinal);
    private readonly ConfigurationOptions _settings;
    private readonly StoreBreaker _breaker;
    private readonly TimeProvider _time;
    private readonly byte[]? _secret;
    private ConnectionMultiplexer? _connection;
    private (long Read, long Written, long Damaged, long ReadErrors, long WriteErrors) _counts;

    internal RedisPrefixStore(ConfigurationOptions settings, byte[]? secret, TimeProvider time) =>
        (_settings, _secret, _time, _breaker) = (settings, secret, time, new StoreBreaker(time));

    public string Tier => "remote";

    /// <summary>Whether what others write is told from its own.</summary>
    public bool IsSigned => _secret is not null;

    /// <summary>How long an answer may take, beside the time that its bytes take.</summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromMilliseconds(500);

    public PrefixStoreFigures Figures
    {
        get
        {
            using var gate = _gate.EnterScope();
            return new PrefixStoreFigures
            {
                IsUp = !_breaker.IsOpen,
                Problem = _breaker.IsOpen ? _breaker.Problem : null,
                ReadBytes = _counts.Read,
                WrittenBytes = _counts.Written,
                Damaged = _counts.Damaged,
                ReadErrors = _counts.ReadErrors,
                WriteErrors = _counts.WriteErrors,
            };
        }
    }

    /// <summary>Names a server, which need not be there.</summary>
    /// <param name="url">As <c>redis://host:6379</c>, or <c>rediss://</c> for TLS; a number behind a slash is that of a database.</param>
    /// <param name="secret">
    /// With it each part is signed, and what somebody else has written is not read; null for nothing: whoever may write there can steer answers.
    /// </param>
    /// <param name="user">Null where the server asks for none; so with the password.</param>
    /// <exception cref="KvasirException">The address is none.</exception>
    public static RedisPrefixStore Open(Uri url, string? secret = null, string? user = null, string? password = null, TimeProvider? time = null) =>
        new(Settings(url, user, password), secret is null ? null : System.Text.Encoding.UTF8.GetBytes(secret), time ?? TimeProvider.System);

    public bool MayHave(string name) => !_breaker.IsOpen;

    public bool IsKnown(string name)
    {
        using var gate = _gate.EnterScope();
        return _breaker.IsOpen || (_known.TryGetValue(name, out var since) && _time.GetElapsedTime(since) < Lifetime / 2);
    }

    public bool TryRead(PrefixChunk chunk, Span<byte> rows)
    {
        ArgumentNullException.ThrowIfNull(chunk);
        if (_breaker.IsOpen)
            return false;
        try
        {
            if (!TryReadParts(chunk, rows))
                return false;
        }
        catch (Exception problem) when (IsOfServer(problem))
        {
            _breaker.Count(problem);
            Add((0, 0, 0, 1, 0));
            return false;
        }

        _breaker.Clear();
        Add((rows.Length, 0, 0, 0, 0));
        Know(chunk.Name);
        return true;
    }

    public bool TryWrite(PrefixChunk chunk, ReadOnlySpan<byte> rows)
    {
        ArgumentNullException.ThrowIfNull(chunk);
        if (_breaker.IsOpen)
            return false;
        try
        {
            var (database, parts) = (Database(), new List<Task>());
            for (var part = 0; part * PartBytes < rows.Length; part++)
            {
                var bytes = rows[(part * PartBytes)..Math.Min(rows.Length, (part + 1) * PartBytes)];
                parts.Add(database.StringSetAsync(Key(chunk, part), Signed(Head(chunk, part), bytes), Lifetime));
            }

            Await(Task.WhenAll(parts), rows.Length);
            Await(database.StringSetAsync(Key(chunk, -1), Signed(Head(chunk, -1), Manifest(chunk)), Lifetime), 0);
        }
        catch (Exception problem) when (IsOfServer(problem))
        {
            _breaker.Count(problem);
            Add((0, 0, 0, 0, 1));
            return false;
        }

        _breaker.Clear();
        Add((0, rows.Length, 0, 0, 0));
        Know(chunk.Name);
        return true;
    }

    public void Flush()
    {
    }

    public void Dispose()
    {
        using var gate = _gate.EnterScope();
        _connection?.Dispose();
        _connection = null;
    }

    internal static ConfigurationOptions Settings(Uri url, string? user, string? password)
    {
        ArgumentNullException.ThrowIfNull(url);
        var database = 0;
        if (!url.IsAbsoluteUri || url.Scheme is not ("redis" or "rediss") || url.Host.Length == 0 || url.UserInfo.Length > 0
            || (url.AbsolutePath.Length > 1 && !int.TryParse(url.AbsolutePath[1..], NumberStyles.None, CultureInfo.InvariantCulture, out database)))
            throw new KvasirException(KvasirError.BadOption, $"'{url}' is no address as redis://host:6379, with user and password in the environment");
        return new ConfigurationOptions
        {
            EndPoints = { { url.Host, url.IsDefaultPort || url.Port < 0 ? 6379 : url.Port } },
            // Which has TLS of its own.
            Tunnel = new BoundedReplies(url.Scheme == "rediss" ? url.Host : null),
            User = user,
            Password = password,
            DefaultDatabase = database,
            ClientName = "kvasir",
            AbortOnConnectFail = false,
            ConnectRetry = 1,
            BacklogPolicy = BacklogPolicy.FailFast,
            ConnectTimeout = (int)ConnectTime.TotalMilliseconds,
        };
    }

    // False where something is missing or is not what was written.
    private bool TryReadParts(PrefixChunk chunk, Span<byte> rows)
    {
        var database = Database();
        using (var manifest = Await(database.StringGetLeaseAsync(Key(chunk, -1)), 0))
        {
            _breaker.Clear();
            var expected = Manifest(chunk);
            if (manifest is null)
                return false;
            if (!IsOwn(Head(chunk, -1), manifest.Span, expected.Length) || !manifest.Span.Slice(HeadBytes, expected.Length).SequenceEqual(expected))
                return Damaged();
        }

        var parts = new List<Task<Lease<byte>?>>();
        for (var part = 0; part * PartBytes < rows.Length; part++)
            parts.Add(database.StringGetLeaseAsync(Key(chunk, part)));
        Await(Task.WhenAll(parts), rows.Length);
        var isWhole = true;
        for (var part = 0; part < parts.Count; part++)
        {
            using var lease = parts[part].Result;
            var bytes = rows[(part * PartBytes)..Math.Min(rows.Length, (part + 1) * PartBytes)];
            // Parts go one by one where memory is short.
            if (lease is null)
                isWhole = false;
            else if (!IsOwn(Head(chunk, part), lease.Span, bytes.Length))
                isWhole = isWhole && Damaged();
            else
                lease.Span.Slice(HeadBytes, bytes.Length).CopyTo(bytes);
        }

        return isWhole;
    }

    private IDatabase Database()
    {
        using var gate = _gate.EnterScope();
        return (_connection ??= ConnectionMultiplexer.Connect(_settings)).GetDatabase();
    }

    private static RedisKey Key(PrefixChunk chunk, int part) => part < 0 ? $"kvasir:1:{chunk.Name}" : $"kvasir:1:{chunk.Name}:{part}";

    // What a value is, in the value: a reply that belongs to another question is found out.
    private static byte[] Head(PrefixChunk chunk, int part)
    {
        var head = new byte[HeadBytes];
        Convert.FromHexString(chunk.Name).CopyTo(head, 0);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(NameBytes), part);
        return head;
    }

    private static byte[] Manifest(PrefixChunk chunk)
    {
        var manifest = new byte[(2 * NameBytes) + ((2 + chunk.Tokens.Length) * sizeof(int))];
        Convert.FromHexString(chunk.Parent).CopyTo(manifest, 0);
        Convert.FromHexString(chunk.Root).CopyTo(manifest, NameBytes);
        var at = 2 * NameBytes;
        foreach (var number in (ReadOnlySpan<int>)[chunk.ColumnBytes, chunk.Tokens.Length, .. chunk.Tokens.Span])
        {
            BinaryPrimitives.WriteInt32LittleEndian(manifest.AsSpan(at), number);
            at += sizeof(int);
        }

        return manifest;
    }

    private byte[] Signed(byte[] head, ReadOnlySpan<byte> content)
    {
        var value = new byte[HeadBytes + content.Length + SignBytes];
        head.CopyTo(value, 0);
        content.CopyTo(value.AsSpan(HeadBytes));
        Sign(value.AsSpan(0, value.Length - SignBytes), value.AsSpan(value.Length - SignBytes));
        return value;
    }

    private bool IsOwn(byte[] head, ReadOnlySpan<byte> value, int contentBytes)
    {
        if (value.Length != HeadBytes + contentBytes + SignBytes || !value.StartsWith(head))
            return false;
        Span<byte> sign = stackalloc byte[SignBytes];
        Sign(value[..^SignBytes], sign);
        return CryptographicOperations.FixedTimeEquals(sign, value[^SignBytes..]);
    }

    private int SignBytes => _secret is null ? sizeof(ulong) : HMACSHA256.HashSizeInBytes;

    private void Sign(ReadOnlySpan<byte> value, Span<byte> sign)
    {
        if (_secret is null)
            BinaryPrimitives.WriteUInt64LittleEndian(sign, XxHash3.HashToUInt64(value));
        else
            HMACSHA256.HashData(_secret, value, sign);
    }

    private void Await(Task task, int bytes)
    {
        if (!task.Wait(Patience + TimeSpan.FromMilliseconds(bytes / SlowBytesPerMs)))
            throw new TimeoutException("the server did not answer in time");
    }

    private T Await<T>(Task<T> task, int bytes)
    {
        Await((Task)task, bytes);
        return task.Result;
    }

    private static bool IsOfServer(Exception problem) =>
        problem is RedisException or TimeoutException or IOException or AggregateException or ObjectDisposedException or System.Net.Sockets.SocketException;

    private bool Damaged()
    {
        Add((0, 0, 1, 0, 0));
        return false;
    }

    private void Know(string name)
    {
        using var gate = _gate.EnterScope();
        if (_known.Count >= MostKnown)
            _known.Clear();
        _known[name] = _time.GetTimestamp();
    }

    private void Add((long Read, long Written, long Damaged, long ReadErrors, long WriteErrors) more)
    {
        using var gate = _gate.EnterScope();
        _counts = (_counts.Read + more.Read, _counts.Written + more.Written, _counts.Damaged + more.Damaged,
            _counts.ReadErrors + more.ReadErrors, _counts.WriteErrors + more.WriteErrors);
    }
}
