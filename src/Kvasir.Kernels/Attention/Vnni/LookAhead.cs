using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// What a kernel asks memory for while it works on a block of rows: the block behind it, a part at every turn, in the order of addresses,
/// which memory answers a third faster than the same lines in bursts or strides.
/// </summary>
/// <param name="first">The address of the first part's first row; its other rows lie behind it.</param>
/// <param name="scales">The address of that row's scales.</param>
/// <param name="stepBytes">From there to the address of the next part's; 0 repeats the first.</param>
internal readonly unsafe ref struct LookAhead(byte** first, byte** scales, long stepBytes)
{
    public byte** First => first;

    public byte** Scales => scales;

    public long StepBytes => stepBytes;

    /// <summary>Nothing but the lines at <paramref name="place"/>, which are at hand.</summary>
    public static LookAhead None(byte** place) => new(place, place, 0);

    /// <summary>A block of <see cref="RowWindow.BlockRows"/> rows, a part of them for every one of <paramref name="partCount"/> turns.</summary>
    public static LookAhead Of(StoredRows rows, int partCount) =>
        new(rows.Codes, rows.Scales, RowWindow.BlockRows / partCount * sizeof(byte*));
}
