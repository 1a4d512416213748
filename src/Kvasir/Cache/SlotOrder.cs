using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>Which page gives its slot up: the least of a few that are drawn, by how often or how lately they were used.</summary>
/// <param name="pages">All of them.</param>
/// <param name="slotLimit">The most slots.</param>
internal sealed class SlotOrder(PageState[] pages, int slotLimit, PageEviction eviction)
{
    private const int Drawn = 32;
    private const int Remembered = 64;
    private const float Fading = 0.9f;
    private static readonly float[] Faded = Powers();

    // [slots]: page + 1.
    private readonly int[] _slotPages = new int[slotLimit];
    private int _highSlot;
    private int _step = 1;
    private uint _useCount;
    private ulong _random = 0x9E3779B97F4A7C15;

    /// <summary>Says that a step begins: uses count once in each.</summary>
    public void BeginStep() => _step++;

    /// <summary>The page in a slot; -1 for none.</summary>
    public int PageAt(int slot) => _slotPages[slot] - 1;

    public void Place(int slot, int page) => (_slotPages[slot], _highSlot) = (page + 1, Math.Max(_highSlot, slot + 1));

    public void Clear(int slot) => _slotPages[slot] = 0;

    /// <summary>Counts a use, once in a step.</summary>
    /// <returns>Whether it is the step's first.</returns>
    public bool Use(ref PageState state)
    {
        state.LastUse = ++_useCount;
        if (state.LastStep == _step)
            return false;
        (state.Count, state.LastStep) = (CountOf(state) + 1, _step);
        return true;
    }

    /// <summary>A page that can leave memory at once; -1 when there is none.</summary>
    public int Victim()
    {
        var best = -1;
        for (var i = 0; i < Drawn; i++)
        {
            _random = (_random * 6364136223846793005) + 1442695040888963407;
            var page = PageAt((int)((_random >> 33) % (ulong)Math.Max(1, _highSlot)));
            if (page >= 0 && pages[page].IsIdle && (best < 0 || IsBefore(pages[page], pages[best])))
                best = page;
        }

        for (var slot = 0; slot < _highSlot && best < 0; slot++)
            best = PageAt(slot) is >= 0 and var page && pages[page].IsIdle ? page : -1;
        return best;
    }

    /// <summary>
    /// Whether a page that was read for its first use leaves again, and another stays: of more than memory holds, read in a ring, memory's share is found there
    /// then, and nothing if the oldest always goes.
    /// </summary>
    public bool Bypasses(in PageState newcomer, in PageState victim) =>
        eviction == PageEviction.Counted && victim.LastStep >= _step - 1 && CountOf(newcomer) <= CountOf(victim) + 1;

    private bool IsBefore(in PageState one, in PageState other) =>
        eviction == PageEviction.Counted ? CountOf(one) < CountOf(other) : (int)(one.LastUse - other.LastUse) < 0;

    private float CountOf(in PageState state) => _step - state.LastStep is var age && age < Remembered ? state.Count * Faded[Math.Max(0, age)] : 0;

    private static float[] Powers()
    {
        var powers = new float[Remembered];
        for (var i = 0; i < Remembered; i++)
            powers[i] = MathF.Pow(Fading, i);
        return powers;
    }
}

/// <summary>Which pages leave memory first.</summary>
public enum PageEviction
{
    /// <summary>Those that were used in the fewest steps, older ones counting less; what is no better than they are does not stay.</summary>
    Counted,

    /// <summary>Those that were not used for the longest time.</summary>
    Lru,
}

/// <summary>Where a page is.</summary>
internal struct PageState
{
    private int _slotNumber;

    /// <summary>How often it was used, as of <see cref="LastStep"/>.</summary>
    public float Count;

    public int LastStep;

    public uint LastUse;

    public int Pins;

    public PageFlags Flags;

    /// <summary>-1 for none.</summary>
    public int Slot
    {
        readonly get => _slotNumber - 1;
        set => _slotNumber = value + 1;
    }

    public readonly bool HasSlot => _slotNumber > 0;

    /// <summary>Whether it is in memory and on file, and nobody has it.</summary>
    public readonly bool IsIdle => Pins == 0 && (Flags & (PageFlags.Reading | PageFlags.Writing | PageFlags.Dirty)) == 0;

    public readonly bool Has(PageFlags flag) => (Flags & flag) != 0;

    public void Set(PageFlags flags) => Flags |= flags;

    public void Clear(PageFlags flags) => Flags &= ~flags;
}

/// <summary>What is so of a page.</summary>
[Flags]
internal enum PageFlags
{
    None = 0,

    /// <summary>It is on its way into its slot.</summary>
    Reading = 1,

    /// <summary>It is on its way to its file.</summary>
    Writing = 2,

    /// <summary>Its file has it as it is.</summary>
    OnFile = 4,

    /// <summary>Its slot alone has it as it is.</summary>
    Dirty = 8,

    /// <summary>It is among those to be written.</summary>
    Listed = 16,

    /// <summary>It was read and has not been unpinned since.</summary>
    Fresh = 32,

    /// <summary>It could not be read.</summary>
    Failed = 64,
}

/// <summary>What an engine whose keys and values may lie on file has read and written there.</summary>
/// <param name="Hits">Pages that steps used and found in memory, each once in a step.</param>
/// <param name="Misses">Pages that they had to read.</param>
/// <param name="Reads">Of one page or several at once.</param>
/// <param name="WaitMs">How long workers waited for pages, all of them together.</param>
public readonly record struct PageFigures(long Hits, long Misses, long Reads, long ReadBytes, long WrittenBytes, double WaitMs);
