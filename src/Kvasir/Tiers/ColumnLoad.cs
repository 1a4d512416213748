namespace Kvasir.Tiers;

/// <summary>Rows that come from beyond memory into the prefix cache, where those who wait for them find them. For the engine's thread.</summary>
internal sealed class ColumnLoad
{
    private readonly PrefixLoad _load;
    private readonly RestoredColumns _columns;
    private readonly int _mostColumns;
    private int _nextColumn;

    /// <param name="load">Of chunks that follow each other.</param>
    /// <param name="columns">What takes them.</param>
    /// <param name="firstColumn">Of the first chunk.</param>
    /// <param name="mostColumns">That are wanted.</param>
    public ColumnLoad(PrefixLoad load, RestoredColumns columns, int firstColumn, int mostColumns) =>
        (_load, _columns, _nextColumn, _mostColumns) = (load, columns, firstColumn, mostColumns);

    /// <summary>Those who wait.</summary>
    public int Waiters { get; set; } = 1;

    /// <summary>Whether nothing more comes.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Whether a chunk is among those that come.</summary>
    public bool Brings(string name)
    {
        foreach (var chunk in _load.Chunks)
        {
            if (chunk.Name == name)
                return true;
        }

        return false;
    }

    /// <summary>Takes what has come. False when nothing had.</summary>
    public bool TryTake()
    {
        var tookAny = false;
        while (!IsOver && _load.TryTake(out var chunk, out var rows))
        {
            using (rows)
            {
                if (!TryAdd(chunk, rows.Span<byte>(chunk.Bytes)))
                    End();
            }

            tookAny = true;
        }

        if (!IsOver && _load.IsOver)
            End();
        return tookAny;
    }

    /// <summary>Waits no longer, and lets those columns go that nobody else has.</summary>
    public void End()
    {
        if (IsOver)
            return;
        IsOver = true;
        _load.Cancel();
    }

    /// <summary>Once it is over, and those who waited have what came.</summary>
    public void Leave()
    {
        End();
        _columns.Dispose();
    }

    // False where memory is short, or rows are none of this cache's.
    private bool TryAdd(PrefixChunk chunk, ReadOnlySpan<byte> rows)
    {
        for (var at = 0; at < rows.Length; at += chunk.ColumnBytes, _nextColumn++)
        {
            if (_nextColumn < _columns.Count)
                continue;
            var column = rows.Slice(at, chunk.ColumnBytes);
            if (_nextColumn == _mostColumns || _columns.UnsoundHead(column) is not null || !_columns.TryAdd(column))
            {
                _columns.Publish();
                return false;
            }
        }

        _columns.Publish();
        return true;
    }
}
