using System.Text;
using Kvasir.Files;
using Kvasir.Jinja.Values;
using Kvasir.Text.Tokenizers;

namespace Kvasir.Text;

/// <summary>
/// Between text and token ids, as the model was trained: byte-level BPE or SentencePiece BPE. Immutable; threads may share it.
/// </summary>
public sealed class Tokenizer
{
    private readonly TokenizerModel _model;

    private readonly PieceBytes _bytes;

    private readonly TextEncoder _encoder;

    // What control tokens are called, by id.
    private readonly Dictionary<int, byte[]> _names = [];

    private readonly bool[] _ends;

    private readonly Lazy<string> _fingerprint;

    // One scratch waits for the next call; calls that meet make their own.
    private TextEncoder.Scratch? _spare;

    internal Tokenizer(TokenizerModel model)
    {
        _model = model;
        _fingerprint = new Lazy<string>(() => TokenizerFingerprint.Of(model));
        _bytes = new PieceBytes(PieceOutput.OfAll(model));
        _encoder = new TextEncoder(model, PieceOutput.Lookup(model));
        _ends = new bool[model.Pieces.Length];
        foreach (var token in model.EndTokens)
            _ends[token] = true;
        for (var id = 0; id < model.Pieces.Length; id++)
        {
            if (IsControl(id))
                _names.Add(id, Encoding.UTF8.GetBytes(model.Pieces[id]));
        }
    }

    /// <summary>Ids are below this. The model's output may be wider; what lies beyond has no piece.</summary>
    public int VocabularySize => _model.Pieces.Length;

    /// <summary>The token that begins a context (bos), where the vocabulary has one.</summary>
    public int? BeginToken => _model.BeginToken;

    /// <summary>The token that ends a text (eos), where the vocabulary names one.</summary>
    public int? EndToken => _model.EndToken;

    /// <summary>Whether the model expects its begin token before a text.</summary>
    public bool AddsBegin => _model.Prefix.Length > 0;

    /// <summary>Whether the model was told to close every text with its end token. Encoding leaves that to the caller, since a prompt goes on.</summary>
    public bool AddsEnd => _model.AddsEnd;

    /// <summary>All ids for which <see cref="IsEnd"/> holds, ascending.</summary>
    public IReadOnlyList<int> EndTokens => _model.EndTokens;

    /// <summary>Ids that are never to be drawn, as the model's makers say, ascending: marks behind pictures and sounds, which no text has.</summary>
    public IReadOnlyList<int> SuppressedTokens => _model.SuppressedTokens;

    /// <summary>As <see cref="TokenizerFingerprint"/> says; computed when it is first asked for.</summary>
    internal string Fingerprint => _fingerprint.Value;

    /// <summary>Reads the tokenizer.ggml keys.</summary>
    /// <param name="metadata">Keys of a GGUF file.</param>
    /// <param name="file">Its path, for messages.</param>
    /// <exception cref="KvasirException">A key is missing, damaged, or names what is not supported.</exception>
    public static Tokenizer FromGguf(GgufMetadata metadata, string file)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        ArgumentNullException.ThrowIfNull(file);
        return new(GgufTokenizer.Read(metadata, file));
    }

    /// <summary>Reads tokenizer.json of a Hugging Face folder and the special tokens that the files beside it name.</summary>
    /// <param name="folder">With a tokenizer.json.</param>
    /// <param name="notes">Takes a line for each piece of advice that cannot be followed; null for nobody.</param>
    /// <exception cref="KvasirException">The file is missing, damaged, or describes what is not supported.</exception>
    public static Tokenizer FromFolder(string folder, Notes? notes = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return new(TokenizerJson.Read(folder, notes ?? new Notes()));
    }

    /// <summary>One token for each byte, its value the id; no special tokens. Text becomes these alone.</summary>
    /// <param name="vocabularySize">Tokens behind the bytes are words, each another: whoever draws one at random says something.</param>
    internal static Tokenizer OfBytes(int vocabularySize = 256)
    {
        var (pieces, types) = (new string[vocabularySize], new PieceType[vocabularySize]);
        Array.Fill(types, PieceType.Normal);
        for (var i = 0; i < pieces.Length; i++)
            pieces[i] = i < 256 ? ByteAlphabet.Letter((byte)i).ToString() : Word(i - 256);
        return new Tokenizer(new TokenizerModel { Kind = TokenizerKind.ByteLevel, Pieces = pieces, Types = types });
    }

    // A blank and as many letters as all words need.
    private static string Word(int number) => string.Create(
        6,
        number,
        static (word, rest) =>
        {
            word[0] = ByteAlphabet.Letter((byte)' ');
            for (var i = word.Length - 1; i > 0; i--)
                (word[i], rest) = ((char)('a' + (rest % 26)), rest / 26);
        });

    /// <summary>Whether <paramref name="token"/> ends a generation: eos, end of turn, end of message and their like.</summary>
    public bool IsEnd(int token) => (uint)token < (uint)_ends.Length && _ends[token];

    /// <summary>Whether <paramref name="token"/> steers the model and is no text.</summary>
    public bool IsControl(int token) => (uint)token < (uint)_model.Types.Length && _model.Types[token] is PieceType.Control or PieceType.Unknown;

    /// <summary>The id whose piece is spelled <paramref name="piece"/>, or null.</summary>
    public int? Find(string piece)
    {
        ArgumentNullException.ThrowIfNull(piece);
        return Array.IndexOf(_model.Pieces, piece) is var id and >= 0 && piece.Length > 0 ? id : null;
    }

    /// <summary>Appends the tokens of <paramref name="text"/>.</summary>
    /// <param name="text">Any UTF-16; a surrogate without its partner becomes U+FFFD.</param>
    /// <param name="addBegin">The text begins a context: what the model expects in front goes first (nothing unless <see cref="AddsBegin"/>).</param>
    /// <param name="parseSpecial">Control tokens spelled in the text become those tokens; otherwise they are plain text, as user input must be.</param>
    /// <param name="tokens">Receives ids below <see cref="VocabularySize"/>.</param>
    public void Encode(ReadOnlySpan<char> text, bool addBegin, bool parseSpecial, List<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        if (addBegin)
            tokens.AddRange(_model.Prefix.AsSpan());
        Encode(text, new ControlPlaces(parseSpecial), tokens);
    }

    /// <inheritdoc cref="Encode(ReadOnlySpan{char}, bool, bool, List{int})"/>
    public int[] Encode(string text, bool addBegin = true, bool parseSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var tokens = new List<int>(text.Length / 3 + 4);
        Encode(text, addBegin, parseSpecial, tokens);
        return [.. tokens];
    }

    /// <summary>Appends the tokens of a rendered template: what the template wrote may spell control tokens, what it was given is text.</summary>
    internal void Encode(MarkedText text, List<int> tokens) => Encode(text.Value, new ControlPlaces(text.Marks), tokens);

    private void Encode(ReadOnlySpan<char> text, ControlPlaces places, List<int> tokens)
    {
        var scratch = Interlocked.Exchange(ref _spare, null) ?? new TextEncoder.Scratch();
        _encoder.Encode(text, places, scratch, tokens);
        _spare = scratch;
    }

    /// <summary>
    /// The bytes that <paramref name="token"/> adds to the output; not always whole UTF-8 characters. Control tokens, and ids beyond the vocabulary, give none.
    /// </summary>
    public ReadOnlySpan<byte> Bytes(int token)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(token);
        return token < _bytes.Count ? _bytes[token] : default;
    }

    /// <summary>The name of a control token in UTF-8, which is no part of the output but may be told to stop it; of other tokens nothing.</summary>
    internal ReadOnlySpan<byte> ControlName(int token) => _names.TryGetValue(token, out var name) ? name : default;

    /// <summary>As the vocabulary spells it: bytes in GPT-2's alphabet, spaces as U+2581, control tokens by name.</summary>
    public string Piece(int token)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(token);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, VocabularySize);
        return _model.Pieces[token];
    }

    /// <summary>The text of a whole sequence; bytes that are no UTF-8 become U+FFFD. The space that SentencePiece puts in front is dropped.</summary>
    public string Decode(ReadOnlySpan<int> tokens)
    {
        var decoder = CreateDecoder();
        var text = new StringBuilder();
        foreach (var token in tokens)
            text.Append(decoder.Push(token));
        return text.Append(decoder.Finish()).ToString();
    }

    /// <summary>A decoder for one stream of tokens.</summary>
    /// <param name="continues">The stream goes on where other text ended, so that a leading space belongs to it.</param>
    public TokenDecoder CreateDecoder(bool continues = false) => new(this, dropsLeadingSpace: _model.DropsLeadingSpace && !continues);
}
