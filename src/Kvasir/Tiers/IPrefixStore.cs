namespace Kvasir.Tiers;

/// <summary>
/// Where beginnings of prompts lie that outlast memory and the process: chunks by their names. For any number of threads. It throws for no chunk: what cannot
/// be read is not there, and what cannot be written is left out; <see cref="Figures"/> say why. Engines that share one are disposed before it.
/// </summary>
public interface IPrefixStore : IDisposable
{
    /// <summary>What it is called in reports: <c>disk</c>, say.</summary>
    string Tier { get; }

    PrefixStoreFigures Figures { get; }

    /// <summary>Whether a chunk may be there, from what is known without asking anybody.</summary>
    bool MayHave(string name);

    /// <summary>Whether a chunk is known to be there, so that it need not be written.</summary>
    bool IsKnown(string name);

    /// <summary>Reads a chunk. False where it is not there, is damaged, or is another: then what was written into the memory is nothing.</summary>
    /// <param name="rows">[columns, bytes of a column]</param>
    bool TryRead(PrefixChunk chunk, Span<byte> rows);

    /// <summary>Takes a chunk, which is found from the next <see cref="Flush"/> on at the latest. False where it is not taken.</summary>
    /// <param name="rows">[columns, bytes of a column]</param>
    bool TryWrite(PrefixChunk chunk, ReadOnlySpan<byte> rows);

    /// <summary>Returns when what was taken would outlast the process, and, as far as the store promises that, a loss of power.</summary>
    void Flush();
}
