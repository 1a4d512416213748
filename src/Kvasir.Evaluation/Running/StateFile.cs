using System.Text;
using System.Text.Json;
using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Running;

/// <summary>
/// Results on disk as they come, so that a run that was interrupted goes on where it stopped: a line of JSON that says the plan, then a line for
/// each result, written in one piece and flushed. A last line that was written in part is done again.
/// </summary>
public sealed class StateFile : IDisposable
{
    private const string Remedy = "--restart begins it anew, another --state keeps it";
    private readonly string _path;
    private readonly FileStream _stream;
    private readonly Dictionary<SampleKey, EvaluatedSample> _done = [];

    private StateFile(string path, FileStream stream) => (_path, _stream) = (path, stream);

    /// <summary>What the file had when it was opened.</summary>
    public IReadOnlyCollection<EvaluatedSample> Results => _done.Values;

    /// <summary>Which of the plan's samples those are.</summary>
    public IReadOnlySet<SampleKey> Done => _done.Keys.ToHashSet();

    /// <summary>Opens the file, or makes it; nobody else may write it meanwhile.</summary>
    /// <param name="header">Of the plan.</param>
    /// <param name="keys">All that the plan will have results for.</param>
    /// <param name="restarts">Whether what is there is given up.</param>
    /// <exception cref="KvasirException">It cannot be opened, a line is damaged, or it belongs to another plan.</exception>
    public static StateFile Open(string path, StateHeader header, IEnumerable<SampleKey> keys, bool restarts = false)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentNullException.ThrowIfNull(keys);
        var file = new StateFile(path, OpenStream(path));
        try
        {
            if (restarts)
                file._stream.SetLength(0);
            file.Read(header, keys.ToHashSet());
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Adds a result, which is on disk when this returns.</summary>
    /// <exception cref="KvasirException">It cannot be written.</exception>
    public void Append(EvaluatedSample sample) => Write(EvaluationJson.Text(sample));

    public void Dispose() => _stream.Dispose();

    private static FileStream OpenStream(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be written: {problem.Message}", problem);
        }
    }

    private void Read(StateHeader header, HashSet<SampleKey> keys)
    {
        var bytes = new byte[_stream.Length];
        _stream.ReadExactly(bytes);
        var (start, number) = (0, 1);
        while (start < bytes.Length)
        {
            var length = bytes.AsSpan(start).IndexOf((byte)'\n');
            var isLast = length < 0 || start + length + 1 == bytes.Length;
            var line = bytes.AsSpan(start, length < 0 ? bytes.Length - start : length);
            if (!TryTake(line, number, header, keys, isWhole: length >= 0))
            {
                // Only what was begun for this plan is overwritten: the path may be mistyped, and the file somebody's.
                if (number == 1 && !Encoding.UTF8.GetBytes(EvaluationJson.Text(header)).AsSpan().StartsWith(line))
                    throw new KvasirException(KvasirError.BadFile, $"{_path}:1: does not begin as the state of an evaluation does; {Remedy}");
                if (!isLast)
                    throw new KvasirException(KvasirError.BadFile, $"{_path}:{number}: is damaged; {Remedy}");
                break;
            }

            (start, number) = (start + length + 1, number + 1);
        }

        _stream.SetLength(start);
        _stream.Position = start;
        if (start == 0)
            Write(EvaluationJson.Text(header));
    }

    // False for what no writer has finished.
    private bool TryTake(ReadOnlySpan<byte> line, int number, StateHeader header, HashSet<SampleKey> keys, bool isWhole)
    {
        try
        {
            if (number == 1)
                RequireSame(isWhole ? EvaluationJson.Header(line) : throw new JsonException(), header);
            else
                Take(isWhole ? EvaluationJson.Sample(line) : throw new JsonException(), number, keys);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private void RequireSame(StateHeader found, StateHeader header)
    {
        if (found.Difference(header) is { } difference)
            throw new KvasirException(KvasirError.BadFile, $"{_path}:1: is of another plan: {difference}; {Remedy}");
    }

    private void Take(EvaluatedSample sample, int number, HashSet<SampleKey> keys)
    {
        var key = SampleKey.Of(sample);
        if (!keys.Contains(key))
            throw new KvasirException(
                KvasirError.BadFile,
                $"{_path}:{number}: is no sample of this plan ({key.Task}, {key.Context} tokens, {key.Policy}, sample {key.Sample}); {Remedy}");
        if (!_done.TryAdd(key, sample))
            throw new KvasirException(
                KvasirError.BadFile, $"{_path}:{number}: repeats a sample ({key.Task}, {key.Context} tokens, {key.Policy}, sample {key.Sample}); {Remedy}");
    }

    private void Write(string line)
    {
        try
        {
            _stream.Write(Encoding.UTF8.GetBytes(line + "\n"));
            _stream.Flush(flushToDisk: true);
        }
        catch (IOException problem)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{_path} cannot be written: {problem.Message}", problem);
        }
    }
}
