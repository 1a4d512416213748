namespace Kvasir.Cache.Slots;

/// <summary>Where a page is.</summary>
internal struct PageState
{
    private int _slotNumber;

    /// <summary>How often it was used, as of <see cref="LastStep"/>.</summary>
    public float Count;

    public int LastStep;

    public uint LastUse;

    public int Pins;

    /// <summary>Of the head that took it.</summary>
    public ushort Layer;

    public PageFlags Flags;

    /// <summary>-1 for none.</summary>
    public int Slot
    {
        readonly get => _slotNumber - 1;
        set => _slotNumber = value + 1;
    }

    public readonly bool HasSlot => _slotNumber > 0;

    /// <summary>Whether it is in memory and on file, and nobody has it or has asked for it.</summary>
    public readonly bool IsIdle => Pins == 0 && (Flags & (PageFlags.Reading | PageFlags.Writing | PageFlags.Dirty | PageFlags.Asked)) == 0;

    public readonly bool Has(PageFlags flag) => (Flags & flag) != 0;

    public void Set(PageFlags flags) => Flags |= flags;

    public void Clear(PageFlags flags) => Flags &= ~flags;
}

/// <summary>What is so of a page.</summary>
[Flags]
internal enum PageFlags : ushort
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

    /// <summary>Somebody will come for it in this step: it was read ahead, and stays until then.</summary>
    Asked = 128,

    /// <summary>Nobody was certain of that when it was asked for.</summary>
    Foretold = 256,
}
