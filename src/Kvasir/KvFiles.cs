using System.Globalization;
using System.Reflection;
using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;
using Kvasir.Requests.Scheduling;
using Kvasir.Tiers;

namespace Kvasir;

/// <summary>
/// Rows of a conversation in a file: saved from the prefix cache and loaded into it, so that there is one way in which rows are used again. Policies index what
/// comes from a file as they index what another sequence has left there.
/// </summary>
/// <param name="reuse">Null where no prefix cache is kept.</param>
/// <param name="policy">Of those that name none.</param>
internal sealed class KvFiles(KvCache cache, Model model, PrefixReuse? reuse, AttentionPolicy policy)
{
    private const int Rows = PagePool.PageTokens;

    private static readonly string Engine =
        typeof(KvFiles).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";

    private PrefixReuse Reuse => reuse ?? throw new KvasirException(
        KvasirError.BadOption, "keys and values are saved from the prefix cache and loaded into it, which this engine goes without");

    /// <inheritdoc cref="Kvasir.Engine.SaveKv"/>
    public KvFileUse Save(string file, ReadOnlySpan<int> tokens, GenerationOptions options, Action<KvFileUse>? beforeWriting)
    {
        var path = Enter(tokens, tokens.Length, options);
        try
        {
            // Behind a column whose rows are gone of layers with a window nothing could be read again.
            var columns = path.Columns[..path.WholeCount];
            var header = new SavedHeader(OriginOf(options), Engine, tokens.ToArray(), cache.HeadCount, cache.Pool.PageBytes)
            {
                Sums = new ulong[columns.Length],
            };
            var use = new KvFileUse(columns.Length * Rows, tokens.Length, header.FileBytes);
            beforeWriting?.Invoke(use);
            Write(file, header, columns);
            return use;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{file} cannot be written: {problem.Message}", problem);
        }
        finally
        {
            path.Leave();
        }
    }

    /// <inheritdoc cref="Kvasir.Engine.LoadKv"/>
    public KvFileUse Load(string file, ReadOnlySpan<int> prompt, GenerationOptions options)
    {
        using var saved = SavedRows.Open(file);
        var header = saved.Header;
        if (header.Origin.DifferenceTo(OriginOf(options)) is var (name, own, other))
            throw new KvasirException(KvasirError.Unsupported, $"{file} has keys and values of {name} {own}, and here they are of {name} {other}");
        if (header.HeadCount != cache.HeadCount || header.PageBytes != cache.Pool.PageBytes)
            throw SavedHeader.Damaged(
                file, $"{header.HeadCount} heads have pages of {header.PageBytes} bytes, and here {cache.HeadCount} have pages of {cache.Pool.PageBytes}");
        var common = prompt.IsEmpty ? header.Tokens.Length : prompt.CommonPrefixLength(header.Tokens);
        var most = prompt.IsEmpty ? common : Math.Min(common, prompt.Length - PrefixReuse.OwnRows(options.Attention ?? policy));
        var columns = Math.Clamp(most / Rows, 0, header.Sums.Length);
        var loaded = columns == 0 ? 0 : Load(saved, columns, file, options);
        return new KvFileUse(loaded, header.Tokens.Length, header.FileBytes)
        {
            DivergedAt = common < Math.Min(prompt.Length, header.Tokens.Length) ? common : null,
        };
    }

    private void Write(string file, SavedHeader header, ReadOnlySpan<PrefixColumn> columns)
    {
        using var written = new ReplacedFile(file, header.FileBytes);
        using var memory = new NativeBuffer(header.ColumnBytes);
        var bytes = memory.Span<byte>((int)header.ColumnBytes);
        for (var i = 0; i < columns.Length; i++)
        {
            cache.CopyColumn(columns[i], bytes);
            header.Sums[i] = SavedHeader.Sum(bytes, i);
            written.Write(header.Bytes + (i * header.ColumnBytes), bytes);
        }

        written.Write(0, header.ToBytes());
        written.Commit();
    }

    // All of them are whole before anybody can find one.
    private int Load(SavedRows saved, int columns, string file, GenerationOptions options)
    {
        var tokens = saved.Header.Tokens[..(columns * Rows)];
        var path = new PrefixPath(cache.Prefixes, Reuse.RootOf(options.Attention ?? policy, options, tokens.Length));
        using var restored = RestoredColumns.TryBegin(cache, path, tokens);
        if (restored is null)
            return 0;
        for (var column = restored.Count; column < columns; column++)
        {
            var bytes = saved.Read(column);
            // A sum says that nothing has changed since somebody wrote it, whoever that was.
            if (restored.UnsoundHead(bytes) is { } head)
                throw SavedHeader.Damaged(file, $"head {head} of column {column} is no page of {cache.Pool.Layout.Format.Name}");
            if (!restored.TryAdd(bytes))
                break;
        }

        restored.Publish();
        return restored.RowCount;
    }

    private PrefixPath Enter(ReadOnlySpan<int> tokens, int mostRows, GenerationOptions options)
    {
        var path = new PrefixPath(cache.Prefixes, Reuse.RootOf(options.Attention ?? policy, options, tokens.Length)) { ComputesNothing = true };
        path.NameAll(tokens);
        path.Enter(tokens, mostRows, tokens.Length);
        return path;
    }

    private RowOrigin OriginOf(GenerationOptions options)
    {
        var rope = model.Config.Rope;
        return new RowOrigin
        {
            // A word for each part, so that those which differ can be told from the others.
            Rotation = string.Create(
                CultureInfo.InvariantCulture,
                $"{(rope with { FrequencyFactors = null, LongFrequencyFactors = null }).ToString().Replace(" = ", "=", StringComparison.Ordinal)} "
                    + $"{string.Join(',', [.. rope.FrequencyFactors ?? [], .. rope.LongFrequencyFactors ?? []])}"),
            Format = cache.Pool.Layout.Format.Name,
            Lineage = Reuse.LineageOf(options.Attention ?? policy),
            Tokenizer = model.Tokenizer.Fingerprint,
            Model = $"{MessageText.Line(model.Config.Name)} {model.Weights.Fingerprint}",
        };
    }
}

/// <summary>What a file of saved keys and values was good for: see <see cref="Engine.SaveKv"/> and <see cref="Engine.LoadKv"/>.</summary>
/// <param name="Tokens">Those whose keys and values were written to it, or taken from it: whole pages of 32.</param>
/// <param name="FileTokens">All of the conversation, which the file names.</param>
/// <param name="Bytes">Of the file.</param>
public readonly record struct KvFileUse(int Tokens, int FileTokens, long Bytes)
{
    /// <summary>The first token at which a prompt is not the conversation; null where one of them ends before that.</summary>
    public int? DivergedAt { get; init; }
}
