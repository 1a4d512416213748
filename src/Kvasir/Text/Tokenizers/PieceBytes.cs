namespace Kvasir.Text.Tokenizers;

/// <summary>Byte strings by token id, in one array.</summary>
internal sealed class PieceBytes
{
    private readonly byte[] _bytes;

    private readonly int[] _starts;      // [count + 1]

    public PieceBytes(byte[][] pieces)
    {
        _starts = new int[pieces.Length + 1];
        for (var i = 0; i < pieces.Length; i++)
            _starts[i + 1] = checked(_starts[i] + pieces[i].Length);
        _bytes = new byte[_starts[^1]];
        for (var i = 0; i < pieces.Length; i++)
            pieces[i].CopyTo(_bytes, _starts[i]);
    }

    public int Count => _starts.Length - 1;

    public ReadOnlySpan<byte> this[int id] => _bytes.AsSpan(_starts[id], _starts[id + 1] - _starts[id]);
}
