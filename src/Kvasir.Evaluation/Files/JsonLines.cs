using System.Buffers;
using System.Text;
using System.Text.Json;
using Kvasir.Files;

namespace Kvasir.Evaluation.Files;

/// <summary>A file with one JSON object a line. Only where its lines begin is kept; a line is read when it is asked for.</summary>
internal sealed class JsonLines
{
    private const int MaxLineBytes = 64 << 20;

    private const long MaxConvertedBytes = 256L << 20;

    private readonly string _path;

    private readonly List<(long Start, int Bytes, int Number)> _lines = [];

    // A file in UTF-16 is kept whole in UTF-8; others are read again from the disk.
    private readonly byte[]? _converted;

    private JsonLines(string path)
    {
        _path = path;
        using var stream = OpenRead();
        var mark = new byte[3];
        if (PlainText.Recognize(mark.AsSpan(0, stream.ReadAtLeast(mark, mark.Length, throwOnEndOfStream: false))).Encoding is not UTF8Encoding)
            _converted = Encoding.UTF8.GetBytes(PlainText.ReadFile(path, MaxConvertedBytes));
    }

    /// <summary>Lines that are not blank.</summary>
    public int Count => _lines.Count;

    /// <summary>Reads the file once, so that a damaged line is found before a model has worked for hours on those before it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="check">Throws what is wrong with a line.</param>
    /// <exception cref="KvasirException">The file is missing or empty, or a line is damaged or longer than 64 MiB.</exception>
    public static JsonLines Open(string path, Action<JsonLine> check)
    {
        var lines = new JsonLines(path);
        using (var stream = lines.OpenRead())
            lines.FindLines(stream);
        if (lines.Count == 0)
            throw new KvasirException(KvasirError.BadFile, $"{path}: is empty; a JSON object on each line is expected");
        using (var stream = lines.OpenRead())
        {
            for (var i = 0; i < lines.Count; i++)
                lines.Read(stream, i, check);
        }

        return lines;
    }

    /// <summary>Reads one line.</summary>
    public T Read<T>(int index, Func<JsonLine, T> read)
    {
        using var stream = OpenRead();
        T? result = default;
        Read(stream, index, line => result = read(line));
        return result!;
    }

    private Stream OpenRead()
    {
        try
        {
            return _converted is null ? File.OpenRead(_path) : new MemoryStream(_converted, writable: false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, Directory.Exists(_path) ? $"{_path} is a folder" : $"{_path}: {exception.Message}", exception);
        }
    }

    private void FindLines(Stream stream)
    {
        var buffer = new byte[1 << 16];
        var (start, position, number, blank) = (0L, 0L, 1, true);
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            foreach (var letter in buffer.AsSpan(0, read))
            {
                if (letter == '\n')
                {
                    Add(start, position, number++, blank);
                    (start, blank) = (position + 1, true);
                }

                blank &= letter is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n';
                position++;
            }
        }

        Add(start, position, number, blank);
    }

    private void Add(long start, long end, int number, bool blank)
    {
        if (blank)
            return;
        if (end - start > MaxLineBytes)
            throw new KvasirException(KvasirError.BadFile, $"{_path}:{number}: has {end - start} bytes; the limit is {MaxLineBytes}");
        _lines.Add((start, (int)(end - start), number));
    }

    private void Read(Stream stream, int index, Action<JsonLine> read)
    {
        var (start, bytes, number) = _lines[index];
        var buffer = ArrayPool<byte>.Shared.Rent(bytes);
        try
        {
            stream.Position = start;
            stream.ReadExactly(buffer, 0, bytes);
            var text = buffer.AsMemory(0, bytes);
            // Some editors begin a file with a mark of its byte order, which is no JSON.
            var markBytes = start == 0 && text.Span.StartsWith("\uFEFF"u8) ? 3 : 0;
            PlainText.Check(text.Span, new TextPlace(_path, number, start));
            using var document = JsonDocument.Parse(text[markBytes..]);
            var line = new JsonLine(_path, number, document.RootElement);
            read(document.RootElement.ValueKind == JsonValueKind.Object ? line : throw line.Bad("is no JSON object"));
        }
        catch (JsonException exception)
        {
            throw new KvasirException(KvasirError.BadFile, $"{_path}:{number}: is not valid JSON, at byte {exception.BytePositionInLine}", exception);
        }
        catch (EndOfStreamException exception)
        {
            throw new KvasirException(KvasirError.BadFile, $"{_path}:{number}: was cut while it was read", exception);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
