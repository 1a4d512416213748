using Kvasir.Tiers;

namespace Kvasir.Test.Support;

/// <summary>A store whose reads wait until they are let go, and may answer with other rows.</summary>
internal sealed class HeldStore(IPrefixStore inner) : IPrefixStore
{
    private readonly ManualResetEventSlim _goes = new(true);
    private readonly SemaphoreSlim _came = new(0);

    public string Tier => "held";

    public PrefixStoreFigures Figures => inner.Figures;

    /// <summary>Reads that were asked for.</summary>
    public int Reads { get; private set; }

    /// <summary>Changes what was read.</summary>
    public Action<byte[]>? Damage { get; set; }

    public bool MayHave(string name) => inner.MayHave(name);

    public bool IsKnown(string name) => inner.IsKnown(name);

    public void Hold() => _goes.Reset();

    public void Go() => _goes.Set();

    /// <summary>Waits until somebody reads.</summary>
    public void AwaitRead() => Assert.True(_came.Wait(TimeSpan.FromSeconds(60)));

    public bool TryRead(PrefixChunk chunk, Span<byte> rows)
    {
        Reads++;
        _came.Release();
        _goes.Wait();
        if (!inner.TryRead(chunk, rows))
            return false;
        if (Damage is null)
            return true;
        var bytes = rows.ToArray();
        Damage(bytes);
        bytes.CopyTo(rows);
        return true;
    }

    public bool TryWrite(PrefixChunk chunk, ReadOnlySpan<byte> rows) => inner.TryWrite(chunk, rows);

    public void Flush() => inner.Flush();

    public void Dispose() => _goes.Set();
}
