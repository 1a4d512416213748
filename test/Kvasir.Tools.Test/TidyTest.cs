using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;
using Kvasir.Attention;
using Kvasir.Attention.Policies;

namespace Kvasir.Tools.Test;

/// <summary>What the style of this repository says and a machine can hold. Each rule names every place that breaks it.</summary>
public sealed class TidyTest
{
    private const int MaxFileLines = 400;
    private const int MaxLineCharacters = 160;
    private const int MaxSharedFileLines = 250;
    private const int MaxMethodLines = 60;
    private const int MaxFolderDepth = 2;
    private const int MaxParameters = 6;
    private const int MaxKernelParameters = 8;
    private static readonly string[] VagueWords = ["Manager", "Helper", "Utils", "Util", "Common", "Base", "Data", "Info"];

    // What a user of the library types first has no second namespace to be remembered, whichever folder it lies in.
    private static readonly string[] TypedFirst =
    [
        "AuditFigures", "AutoAttention", "AutoChoice", "ClientFigures", "EngineFigures", "EngineOptions", "EngineState", "FinishReason", "GeneratedToken", "GenerationOptions", "KvasirError", "KvasirException", "LayerReads",
        "KeptPrefix", "LogitsObserver", "MeanState", "MemoryBudget", "Model", "ModelOptions", "Notes", "PageAhead", "PageEviction", "PageFigures", "ParallelJob", "PrefixPin", "QueueLimits", "QueuePlace", "SamplingOptions", "Sequence", "SequenceTimings", "SharedPrompt", "StepTimings",
        "TokenLogprob", "WaitReason", "WorkerPool",
    ];

    internal static readonly string Root = FindRoot();
    private static readonly Assembly[] Assemblies = [typeof(Kvasir.Kernels.Memory.NativeView).Assembly, typeof(Engine).Assembly, typeof(Kvasir.Evaluation.TaskCatalog).Assembly, Assembly.Load("Kvasir.Server"), Assembly.Load("Kvasir.Cli")];

    // A solution builds projects that it does not name in their default configuration, whatever it is told itself.
    [Fact]
    public void WhatIsTestedIsBuiltAsItsTestsAre() => Assert.All(
        Assemblies, static assembly => Assert.True(IsOptimised(assembly) == IsOptimised(typeof(TidyTest).Assembly), $"{assembly.GetName().Name} is built otherwise"));

    [Fact]
    public void FilesAreShort() => Assert.Empty(
        from file in SourceFiles("src", "test", "bench", "samples")
        let lines = File.ReadAllLines(file).Length
        where lines > MaxFileLines
        select $"{Shown(file)}: {lines} lines");

    [Fact]
    public void LinesAreShort() => Assert.Empty(
        from file in SourceFiles("src", "bench", "samples")
        from line in File.ReadLines(file).Select((text, index) => (text.Length, number: index + 1))
        where line.Length > MaxLineCharacters
        select $"{Shown(file)}:{line.number}: {line.Length} characters");

    [Fact]
    public void MethodsAreShort() => Assert.Empty(
        from file in SourceFiles("src", "test", "bench")
        from method in LongMethods(File.ReadAllLines(file))
        select $"{Shown(file)}:{method}");

    [Fact]
    public void NamesAreNotVague() => Assert.Empty(
        from type in Types()
        from word in Words(type.Name)
        where VagueWords.Contains(word)
        select type.FullName);

    [Fact]
    public void ClassesAreSealed() => Assert.Empty(
        from type in Types()
        where type.IsClass && !type.IsSealed && !type.IsAbstract
        where !Types().Any(other => other.BaseType == type || (other.BaseType is { IsGenericType: true } b && b.GetGenericTypeDefinition() == type))
        select type.FullName);

    [Fact]
    public void AbstractionsHaveTwoImplementations()
    {
        var (all, tests) = (Types().ToArray(), TestCode());
        Assert.Empty(
            from type in all
            where (type.IsInterface || (type.IsAbstract && !type.IsSealed)) && !IsCompilerMade(type)
            let inTests = Regex.Count(tests, $@"\b(class|struct|record) \w+.*: .*\b{type.Name.Split('`')[0]}\b")
            where inTests + all.Count(other => other != type && Implements(other, type)) < 2
            select type.FullName);
    }

    [Fact]
    public void ParametersAreFew() => Assert.Empty(
        from type in Types()
        where !IsCompilerMade(type) && !typeof(Delegate).IsAssignableFrom(type) && !IsRecord(type)
        let most = type.Assembly == Assemblies[0] ? MaxKernelParameters : MaxParameters
        from method in type.GetMethods(Everything).Cast<MethodBase>().Concat(type.GetConstructors(Everything))
        where method.DeclaringType == type && !method.Name.Contains('<', StringComparison.Ordinal) && method.GetParameters().Length > most
        select $"{type.FullName}.{method.Name}: {method.GetParameters().Length} parameters");

    [Fact]
    public void FoldersAreShallow() => Assert.Empty(
        from file in SourceFiles("src")
        let parts = Path.GetRelativePath(Path.Combine(Root, "src"), file).Split(Path.DirectorySeparatorChar)
        where parts.Length - 2 > MaxFolderDepth
        select Shown(file));

    [Fact]
    public void NamespacesAreFolders() => Assert.Empty(
        from file in SourceFiles("src", "test", "bench")
        let match = Regex.Match(File.ReadAllText(file), @"^namespace ([\w.]+);", RegexOptions.Multiline)
        where match.Success
        let parts = Path.GetDirectoryName(Path.GetRelativePath(Root, file))!.Split(Path.DirectorySeparatorChar)
        let expected = string.Join('.', parts.Skip(1))
        where match.Groups[1].Value != expected && !(match.Groups[1].Value == "Kvasir" && TypedFirst.Contains(Path.GetFileNameWithoutExtension(file)))
        select $"{Shown(file)}: {match.Groups[1].Value} is not {expected}");

    // What is only handed out or used by a type may lie beneath it; enums and delegates that it is written with, before it.
    [Fact]
    public void FilesBeginWithTheTypeTheyAreNamedAfter() => Assert.Empty(
        from file in SourceFiles("src")
        let name = Path.GetFileNameWithoutExtension(file)
        // The nodes of a small language, and its values, are each one idea of many small types.
        where name is not ("Program" or "Syntax" or "Values")
        let types = Declared(file)
        where !types.TakeWhile(static type => type.Kind is "enum" or "delegate").Append(types.FirstOrDefault(static type => type.Kind is not ("enum" or "delegate")))
            .Any(type => type.Name == name)
        select $"{Shown(file)} begins with {types.FirstOrDefault().Name}");

    [Fact]
    public void FilesOfSeveralTypesAreShort() => Assert.Empty(
        from file in SourceFiles("src")
        where Declared(file).Count(static type => type.Kind is not ("enum" or "delegate")) > 1
        let lines = File.ReadAllLines(file).Length
        where lines >= MaxSharedFileLines
        select $"{Shown(file)}: {lines} lines and several types");

    [Fact]
    public void NothingIsPutOffOrHidden() => Assert.Empty(
        from file in SourceFiles("src", "test", "bench", "samples")
        where Path.GetFileName(file) != "TidyTest.cs"
        from line in File.ReadLines(file).Select((text, index) => (text, number: index + 1))
        from pattern in Forbidden
        where Regex.IsMatch(line.text, pattern)
        select $"{Shown(file)}:{line.number}: {line.text.Trim()}");

    [Fact]
    public void NothingBelowTheEngineIsAsynchronous() => Assert.Empty(
        from file in SourceFiles("src/Kvasir.Kernels", "src/Kvasir/Attention", "src/Kvasir/Cache", "src/Kvasir/Files", "src/Kvasir/Forward", "src/Kvasir/Models")
        where Regex.IsMatch(File.ReadAllText(file), @"\b(async|await|Task)\b[^.\n]*[;({]")
        select Shown(file));

    [Fact]
    public void AttentionKnowsNeitherRequestsNorWhoComputes() => Assert.Empty(
        from file in SourceFiles("src/Kvasir/Attention", "src/Kvasir/Cache")
        from line in File.ReadLines(file)
        let code = Regex.Replace(line, @"//.*|""[^""]*""", "")
        where Regex.IsMatch(code, @"\b(Sequence|Scheduler|Transformer|ForwardPass|Engine|EngineOptions)\b")
        select $"{Shown(file)}: {line.Trim()}");

    [Fact]
    public void OnlyNativeCallsMakeTypesPartial() => Assert.Empty(
        from file in SourceFiles("src", "test", "bench", "samples")
        let text = File.ReadAllText(file)
        where Regex.IsMatch(text, @"\bpartial (class|struct|record|interface)\b") && !Regex.IsMatch(text, @"\[(LibraryImport|GeneratedRegex|JsonSerializable|LoggerMessage)\b")
        where Path.GetFileName(file) != "TidyTest.cs"
        select Shown(file));

    [Fact]
    public void OnlyKernelsMayBeUnsafe() => Assert.Empty(
        from project in Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories)
        where Path.GetFileName(project) != "Kvasir.Kernels.csproj"
        where File.ReadAllText(project).Contains("AllowUnsafeBlocks", StringComparison.Ordinal)
        select Shown(project));

    [Fact]
    public void OnlyKernelsHaveVectors() => Assert.Empty(
        from file in SourceFiles("src", "samples")
        where !Shown(file).StartsWith(Path.Combine("src", "Kvasir.Kernels"), StringComparison.Ordinal)
        where File.ReadAllText(file).Contains("using System.Runtime.Intrinsics", StringComparison.Ordinal)
        select Shown(file));

    [Fact]
    public void EveryKernelFolderHasTests() => Assert.Empty(
        from folder in Directory.GetDirectories(Path.Combine(Root, "src", "Kvasir.Kernels")).Select(Path.GetFileName)
        where folder is not ("bin" or "obj")
        let tests = Path.Combine(Root, "test", "Kvasir.Test", "Kernels", folder)
        where !Directory.Exists(tests) || Directory.GetFiles(tests, "*Test.cs").Length == 0
        select folder);

    // Who wants to know which format it is asks its row for what follows from that.
    [Fact]
    public void NobodyAsksWhichFormatItIs() => Assert.Empty(
        from file in SourceFiles("src", "bench")
        where Path.GetFileName(file) is not ("KvFormat.cs" or "RowCodec.cs")
        from line in File.ReadLines(file)
        where Regex.IsMatch(line, @"(\b(is|is not|case|or)|[=!]=) (KvFormat|RowCodec)\.(?!Pair|Find|Plain)\w+|\b(KvFormat|RowCodec)\.\w+ (=>|[=!]=)|\.(Keys|Values|Codec) is \w+Codec")
        select $"{Shown(file)}: {line.Trim()}");

    // What is known of a row from one call to the next is its number: where it lies may have changed, and may not be in memory. PagedRows cannot be kept at all.
    [Fact]
    public void NobodyKeepsTheAddressOfARow()
    {
        // Rows of a step, and memory of one's own; page tables alone know where pages are.
        string[] kept = ["HeadRows", "NewRows", "HashedSegment", "PageTable"];
        Assert.True(typeof(Kvasir.Kernels.Attention.Formats.PagedRows).IsByRefLike);
        Assert.Empty(
            from type in typeof(Engine).Assembly.GetTypes()
            where type.Namespace is { } space && (space.StartsWith("Kvasir.Attention", StringComparison.Ordinal) || space == "Kvasir.Cache")
            where !type.IsByRefLike && !kept.Contains(type.Name)
            from field in type.GetFields(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
            let held = field.FieldType.IsArray ? field.FieldType.GetElementType()! : field.FieldType
            where held.IsPointer || held == typeof(nint) || held == typeof(Kvasir.Kernels.Memory.NativeView)
            select $"{type.FullName}.{field.Name}");
        // And nobody else can ask.
        Assert.Equal(
            ["Cache"],
            from file in SourceFiles("src")
            where Regex.IsMatch(File.ReadAllText(file), @"\b(_?pool|_?pages|_?table|Pool)\.(Address|Bytes)\(")
            select Path.GetFileName(Path.GetDirectoryName(file))! into folder
            group folder by folder into folders
            select folders.Key);
    }

    [Fact]
    public void EveryPolicyIsInTheCatalogue()
    {
        var policies = Types().Where(type => type.IsSubclassOf(typeof(AttentionPolicy)) && !type.IsAbstract).ToArray();
        // And what two of them make.
        var names = PolicyCatalog.Entries.Select(static entry => entry.Name).Append("quest+streaming");
        var made = names.Select(static name => PolicyCatalog.Parse(name).GetType()).ToHashSet();
        // And what each becomes over a model with windows, or where what it reads is recorded.
        made.UnionWith(policies.Where(static policy => policy.Name is "FullLayersPolicy" or "PageRecorder"));
        Assert.NotEmpty(policies);
        Assert.All(policies, policy => Assert.Contains(policy, made));
    }

    [Theory]
    [InlineData("ARCHITECTURE.md")]
    [InlineData("CONTRIBUTING.md")]
    [InlineData("README.md")]
    public void TypesNamedInDocumentsExist(string document)
    {
        var types = Types().ToArray();
        var known = types.Select(type => type.Name.Split('`')[0]).Concat(types.SelectMany(type => type.GetMethods(Everything)).Select(method => method.Name))
            .Concat(Regex.Matches(TestCode(), @"\b(?:class|struct|record|void|Task) (\w+)").Select(match => match.Groups[1].Value)).ToHashSet();
        var names = Regex.Matches(File.ReadAllText(Path.Combine(Root, document)), @"`([A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+)(?:\.\w+)?`").Select(m => m.Groups[1].Value);
        var foreign = new[] { "IChatClient", "ObjectDisposedException", "ChatOptions", "BenchmarkDotNet", "MemoryMarshal", "NativeMemory" };
        Assert.All(names.Distinct().Except(foreign), name => Assert.Contains(name, known));
    }

    private const BindingFlags Everything =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly string[] Forbidden =
    [
        @"#region", @"\bTODO\b", @"\bFIXME\b", @"\bHACK\b", @"NotImplementedException", @"\bSkip\s*=\s*""", @"Thread\.Sleep", @"catch \{ \}",
        @"^\s*//[^/].*;\s*$", @"^\s*// -{3,}", @"^\s*// ={3,}", @"\[ThreadStatic\]", @"AsyncLocal<",
    ];

    private const string Declaration =
        @"^(?:public|internal)[\w ]*? (?:(?<kind>class|record struct|struct|record|interface|enum)|(?<kind>delegate) [\w<>\[\]?.]+) (?<name>\w+)";

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Kvasir.slnx")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the repository's root was not found");
        return folder;
    }

    private static IEnumerable<string> SourceFiles(params string[] folders) =>
        from folder in folders
        let path = Path.Combine(Root, folder)
        where Directory.Exists(path)
        from file in Directory.EnumerateFiles(path, "*.cs", SearchOption.AllDirectories)
        where !file.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj")
        select file;

    private static (string Kind, string Name)[] Declared(string file) =>
    [
        .. from match in Regex.Matches(File.ReadAllText(file), Declaration, RegexOptions.Multiline)
           select (match.Groups["kind"].Value, match.Groups["name"].Value),
    ];

    private static string TestCode() => string.Concat(SourceFiles("test").Select(File.ReadAllText));

    private static string Shown(string path) => Path.GetRelativePath(Root, path);

    private static IEnumerable<Type> Types() => Assemblies.SelectMany(assembly => assembly.GetTypes()).Where(type => !IsCompilerMade(type));

    private static bool IsCompilerMade(Type type) =>
        type.Name.Contains('<', StringComparison.Ordinal) || type.FullName!.Contains('<', StringComparison.Ordinal)
        || type.Namespace?.StartsWith("Kvasir", StringComparison.Ordinal) != true;

    private static bool IsRecord(Type type) => type.GetMethod("PrintMembers", Everything) is not null;

    private static bool Implements(Type other, Type type) =>
        type.IsInterface
            ? other.GetInterfaces().Any(i => i == type || (i.IsGenericType && i.GetGenericTypeDefinition() == type))
            : other.IsSubclassOf(type) || (other.BaseType is { IsGenericType: true } b && b.GetGenericTypeDefinition() == type);

    private static IEnumerable<string> Words(string name) => Regex.Matches(name, "[A-Z][a-z]+").Select(match => match.Value);

    // A method's body opens with a brace at the indentation of a member and closes at the same one; types do too, and are told
    // apart by their heads.
    private static IEnumerable<string> LongMethods(string[] lines)
    {
        for (var open = 1; open < lines.Length; open++)
        {
            var indent = lines[open].Length - lines[open].TrimStart().Length;
            if (lines[open].Trim() != "{" || indent < 4)
                continue;
            var head = open - 1;
            while (head > 0 && lines[head].Length - lines[head].TrimStart().Length > indent)
                head--;
            if (!lines[head].Contains('(', StringComparison.Ordinal) || Regex.IsMatch(lines[head], @"\b(class|struct|record|interface|enum|if|for|foreach|while|switch|using|else|lock|do|fixed|unsafe)\b"))
                continue;
            var close = Array.FindIndex(lines, open, line => line.StartsWith(new string(' ', indent) + "}", StringComparison.Ordinal));
            if (close - head + 1 > MaxMethodLines)
                yield return $"{head + 1}: {close - head + 1} lines";
        }
    }

    private static bool IsOptimised(Assembly assembly) => assembly.GetCustomAttribute<DebuggableAttribute>()?.IsJITOptimizerDisabled != true;
}
