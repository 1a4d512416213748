using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>
/// 32 rows of every layer and KV head, computed once, and the tokens that they are of: a node of the tree whose branches are conversations. A root has no rows.
/// </summary>
/// <param name="headCount">Layers times KV heads.</param>
internal sealed class PrefixColumn(int headCount)
{
    private readonly int[] _tokens = new int[PagePool.PageTokens];
    private PrefixColumn? _firstChild;
    private PrefixColumn? _before;
    private PrefixColumn? _behind;
    private int _leafPlace = -1;
    private int _keptPlace = -1;

    public ColumnName Name { get; private set; }

    /// <summary>What comes before it; null for a root.</summary>
    public PrefixColumn? Parent { get; private set; }

    public ReadOnlySpan<int> Tokens => _tokens;

    /// <summary>[heads], in the order of a sequence's.</summary>
    public int[] Pages { get; } = new int[headCount];

    /// <summary>Whether it has pages of all heads.</summary>
    public bool IsWhole => !Pages.AsSpan().Contains(PageTable.Vacant);

    /// <summary>Those who compute with its rows, or keep them. Who has a column has all before it.</summary>
    public int Users { get; set; }

    /// <summary>Pins among them.</summary>
    public int Pins { get; set; }

    /// <summary>Columns that follow it.</summary>
    public int Children { get; private set; }

    /// <summary>When somebody had it last, in uses; no less than that of any column behind it.</summary>
    public long LastUse { get; set; }

    /// <summary>Whether it may go now, as far as it is concerned: nobody has it, and nothing hangs on it.</summary>
    public bool IsIdleLeaf => Users == 0 && Children == 0 && Parent is not null;

    /// <summary>Its place among those that may go; -1 for none.</summary>
    public ref int LeafPlace => ref _leafPlace;

    /// <summary>Its place in <see cref="KeptIn"/>; -1 for none.</summary>
    public ref int KeptPlace => ref _keptPlace;

    /// <summary>All that is kept for a time for the same tenant; null while it is not.</summary>
    public ColumnHeap<KeptOrder>? KeptIn { get; set; }

    /// <summary>Whether it is kept for a time: it goes after those that are not.</summary>
    public bool IsKept => KeptIn is not null;

    /// <summary>Until when, on the cache's clock.</summary>
    public long KeptUntilMs { get; set; }

    /// <summary>For how long whenever somebody finds it.</summary>
    public long KeptForMs { get; set; }

    /// <summary>Whether its pages of layers with a window may go while it stays (<see cref="ColumnWindows"/>).</summary>
    public bool IsSpare { get; set; }

    /// <summary>Whether that was so since it came: somebody has gone on so far behind it that he does not see it.</summary>
    public bool WasPassed { get; set; }

    /// <summary>The one whose pages may go before.</summary>
    public PrefixColumn? OlderSpare { get; set; }

    /// <summary>The one whose pages go next.</summary>
    public PrefixColumn? NewerSpare { get; set; }

    /// <summary>Those who read all of its pages and compute nothing.</summary>
    public int Holds { get; set; }

    /// <summary>Columns before it, roots among them.</summary>
    public int Depth { get; private set; }

    /// <summary>The newest of the parts of indexes that are kept with it; null for none.</summary>
    public IndexPart? FirstPart { get; set; }

    /// <summary>The next one in the same bucket of the table of names.</summary>
    public PrefixColumn? NextInBucket { get; set; }

    /// <summary>Becomes a root, or a column of the tree.</summary>
    /// <param name="tokens">None for a root.</param>
    public void Begin(ColumnName name, PrefixColumn? parent, ReadOnlySpan<int> tokens)
    {
        Invariant.Holds(Users == 0 && Children == 0 && Parent is null);
        Name = name;
        tokens.CopyTo(_tokens);
        if (parent is null)
            return;
        (Parent, Depth, _behind, _before) = (parent, parent.Depth + 1, parent._firstChild, null);
        if (_behind is not null)
            _behind._before = this;
        parent._firstChild = this;
        parent.Children++;
    }

    /// <summary>Leaves the tree.</summary>
    public void End()
    {
        Invariant.Holds(Users == 0 && Children == 0 && FirstPart is null && !IsKept);
        if (Parent is not { } parent)
            return;
        if (_before is null)
            parent._firstChild = _behind;
        else
            _before._behind = _behind;
        if (_behind is not null)
            _behind._before = _before;
        parent.Children--;
        (Parent, _before, _behind) = (null, null, null);
    }

    /// <summary>Whether it is what its name says: behind this column, these tokens.</summary>
    public bool Continues(PrefixColumn parent, ReadOnlySpan<int> tokens) => Parent == parent && tokens.SequenceEqual(_tokens);

    /// <summary>The part of a policy's indexes of the last <paramref name="rows"/> rows up to its end; null where none is kept.</summary>
    public IndexPart? Part(string policy, int rows)
    {
        var part = FirstPart;
        while (part is not null && !part.IsOf(policy, rows))
            part = part.NextOfColumn;
        return part;
    }

    /// <summary>Of the columns that follow this one, the first of those that have most tokens in common with others at the beginning; null for none.</summary>
    public PrefixColumn? Nearest(ReadOnlySpan<int> tokens)
    {
        PrefixColumn? nearest = null;
        var most = -1;
        for (var child = _firstChild; child is not null; child = child._behind)
        {
            if (tokens.CommonPrefixLength(child.Tokens) is var common && common > most)
                (nearest, most) = (child, common);
        }

        return nearest;
    }
}
