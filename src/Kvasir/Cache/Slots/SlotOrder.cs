namespace Kvasir.Cache.Slots;

/// <summary>Which page gives its slot up: the least of a few that are drawn, by what the order says.</summary>
/// <param name="pages">All of them.</param>
/// <param name="slotLimit">The most slots.</param>
/// <param name="holds">Those that stay.</param>
internal sealed class SlotOrder(PageState[] pages, int slotLimit, PageEviction eviction, PageHolds holds)
{
    /// <summary>Of slots one of so many is for what passes through.</summary>
    public const int PassingShare = 8;

    private const int Drawn = 32;
    private const int Remembered = 64;
    private const float Fading = 0.9f;

    private const int MostGroupPages = 64;
    private static readonly float[] Faded = Powers();

    private readonly int _groupPages = Math.Clamp(slotLimit / 256, 1, MostGroupPages);

    // [slots]: page + 1.
    private readonly int[] _slotPages = new int[slotLimit];

    // [layers]: slots that each has, and pages that it used in this step and in the last one.
    private (int Slots, int Used, int LastUsed)[] _layers = [];
    private int _layer;
    private int _highSlot;
    private int _step = 2;
    private uint _useCount;
    private ulong _keptBelow;
    private int _pageCount;
    private ulong _random = 0x9E3779B97F4A7C15;

    /// <summary>Says that a step begins: uses count once in each.</summary>
    /// <param name="pageCount">Pages that there are, in memory or on file.</param>
    public void BeginStep(int pageCount)
    {
        _step++;
        if (eviction == PageEviction.FlexGen && pageCount != _pageCount)
            FixShare(_pageCount = pageCount);
        foreach (ref var layer in _layers.AsSpan())
            (layer.Used, layer.LastUsed) = (0, layer.Used);
    }

    /// <summary>Makes room for a layer.</summary>
    public void Reserve(int layer)
    {
        if (layer >= _layers.Length)
            Array.Resize(ref _layers, layer + 1);
    }

    /// <summary>The page in a slot; -1 for none.</summary>
    public int PageAt(int slot) => _slotPages[slot] - 1;

    public void Place(int slot, int page)
    {
        (_slotPages[slot], _highSlot) = (page + 1, Math.Max(_highSlot, slot + 1));
        _layers[pages[page].Layer].Slots++;
    }

    public void Clear(int slot)
    {
        _layers[pages[PageAt(slot)].Layer].Slots--;
        _slotPages[slot] = 0;
    }

    /// <summary>Counts a use, once in a step.</summary>
    /// <param name="isAgain">Whether the step before used it too.</param>
    /// <returns>Whether it is the step's first.</returns>
    public bool Use(ref PageState state, out bool isAgain)
    {
        (state.LastUse, _layer) = (++_useCount, state.Layer);
        isAgain = state.LastStep == _step - 1;
        if (state.LastStep == _step)
            return false;
        (state.Count, state.LastStep) = (CountOf(state) + 1, _step);
        _layers[_layer].Used++;
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
            if (page >= 0 && MayLeave(page) && (best < 0 || IsBefore(page, best)))
                best = page;
        }

        for (var slot = 0; slot < _highSlot && best < 0; slot++)
            best = PageAt(slot) is >= 0 and var page && MayLeave(page) ? page : -1;
        return best;
    }

    /// <summary>
    /// Whether a page that was read for its first use leaves again, and another stays: of more than memory holds, read in a ring, memory's share is found there
    /// then, and nothing if the oldest always goes.
    /// </summary>
    public bool Bypasses(in PageState newcomer, in PageState victim) =>
        eviction == PageEviction.Counted && victim.LastStep >= _step - 1 && CountOf(newcomer) <= CountOf(victim) + 1;

    /// <summary>Whether a page stays whatever is wanted.</summary>
    public bool IsHeld(int page) => holds.Has(page);

    /// <summary>Whether what stays in memory is the same whatever is used.</summary>
    public bool IsFixed => eviction is PageEviction.FlexGen or PageEviction.ZeroInference;

    /// <summary>Whether a page is what memory is for: what passes through has the rest.</summary>
    public bool IsUsed(int page) => eviction switch
    {
        PageEviction.Counted => pages[page].LastStep >= _step - 1,
        PageEviction.FlexGen => IsOfShare(page),
        _ => false,
    };

    /// <summary>Whether a page leaves memory as soon as nobody has it, whatever is free.</summary>
    public bool Passes(int page) => eviction == PageEviction.ZeroInference || (eviction == PageEviction.FlexGen && !IsOfShare(page));

    private bool MayLeave(int page) => pages[page].IsIdle && !IsHeld(page);

    private bool IsBefore(int one, int other) => eviction switch
    {
        PageEviction.Counted => CountOf(pages[one]) < CountOf(pages[other]),
        PageEviction.LayerLru when TurnsUntil(one) is var turns && TurnsUntil(other) is var others && turns != others => turns > others,
        PageEviction.FlexGen when IsOfShare(one) != IsOfShare(other) => !IsOfShare(one),
        _ => (int)(pages[one].LastUse - pages[other].LastUse) < 0,
    };

    // Pages that are written to have to be there in every step, whatever share they are of: the share is of what memory has beside them.
    private void FixShare(int pageCount)
    {
        var open = 0;
        for (var slot = 0; slot < _highSlot; slot++)
            open += PageAt(slot) is >= 0 and var page && pages[page].Has(PageFlags.Dirty) && !pages[page].Has(PageFlags.Listed | PageFlags.Writing) ? 1 : 0;
        var kept = Math.Max(0.0, slotLimit - (slotLimit / PassingShare) - open);
        _keptBelow = (ulong)(Math.Min(1, kept / Math.Max(1, pageCount - open)) * (1L << 32));
    }

    // Drawn by its number, so that every head has as much of it; in groups, so that what is not of it is read in long runs.
    private bool IsOfShare(int page) => (uint)(page / _groupPages) * 2654435769u < _keptBelow;

    // Layers that are computed before the page is wanted again. More than there are if its layer's last turn has not used it. In the layer that is computed now
    // none if it was not used yet, and all if it was. Half of what a layer used stays whatever comes.
    private int TurnsUntil(int page)
    {
        var (layer, lastStep) = (pages[page].Layer, pages[page].LastStep);
        if (lastStep < (layer < _layer ? _step : _step - 1))
            return _layers.Length + 1;
        var (slots, used, lastUsed) = _layers[layer];
        if (slots <= Math.Max(used, lastUsed) / 2)
            return 0;
        return layer == _layer && lastStep == _step ? _layers.Length : (layer - _layer + _layers.Length) % _layers.Length;
    }

    private float CountOf(in PageState state) => _step - state.LastStep is var age && age < Remembered ? state.Count * Faded[Math.Max(0, age)] : 0;

    private static float[] Powers()
    {
        var powers = new float[Remembered];
        for (var i = 0; i < Remembered; i++)
            powers[i] = MathF.Pow(Fading, i);
        return powers;
    }
}
