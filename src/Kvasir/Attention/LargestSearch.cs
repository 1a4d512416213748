namespace Kvasir.Attention;

/// <summary>
/// Finds the n-th largest of numbers that lie in several places: while <see cref="Begin"/> says so, all of them are to be added. NaN counts as the smallest.
/// </summary>
/// <param name="count">Which: 1 to how many there are.</param>
/// <param name="counts"><see cref="CountsLength"/> numbers of scratch.</param>
internal ref struct LargestSearch(int count, Span<int> counts)
{
    public const int CountsLength = 1 << DigitBits;

    private const int DigitBits = 11;
    private const int RankBits = 32;

    // Digit by digit, the highest first: how many have each value of the digit, of those that share the digits before.
    private readonly Span<int> _counts = counts;
    private int _left = count;
    private uint _prefix;
    private int _known;
    private bool _hasCounted;

    /// <summary>When it was found.</summary>
    public readonly float Found => LargestNumbers.Value(_prefix);

    private readonly int Bits => Math.Min(DigitBits, RankBits - _known);

    private readonly int Shift => RankBits - _known - Bits;

    /// <summary>Begins to look through all numbers; false when there is no need, since it is found.</summary>
    public bool Begin()
    {
        if (_hasCounted)
            Narrow();
        if (_known == RankBits)
            return false;
        _counts.Clear();
        return _hasCounted = true;
    }

    public readonly void Add(ReadOnlySpan<float> values)
    {
        var counts = _counts;
        var (prefix, known, shift) = (_prefix, _known, Shift);
        var mask = (1u << Bits) - 1;
        foreach (var value in values)
        {
            var rank = LargestNumbers.Rank(value);
            if (known == 0 || rank >> (RankBits - known) == prefix)
                counts[(int)(rank >> shift & mask)]++;
        }
    }

    private void Narrow()
    {
        var digit = (1 << Bits) - 1;
        for (; _left > _counts[digit]; digit--)
            _left -= _counts[digit];
        (_prefix, _known) = (_prefix << Bits | (uint)digit, _known + Bits);
    }
}
